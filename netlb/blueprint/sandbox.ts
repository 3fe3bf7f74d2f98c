/** A task's namespace. */
import { invalidArgument } from '../../lib/errors.js';
import { addressOf, type Cidr, familyOf } from '../../lib/ip.js';
import { TABLE } from '../names.js';
import type { Table } from '../nft/table.js';
import type { GatewayBridge, Sandbox } from '../state.js';
import { checkBackends, checkCidr, checkEndpoint, checkId, checkIp, checkPublished } from './check.js';
import type { Facts } from './facts.js';
import {
  cidrIn,
  defaultRoute,
  gatewayAddress6,
  gatewayInterface,
  type OverlayNetwork,
  overlayInterface,
  subnetRoutes,
} from './interfaces.js';
import type { InterfaceBlueprint, NamespaceBlueprint, Sysctl } from './model.js';
import { virtualObjects } from './virtual.js';
import {
  type WayBackInput,
  wayBackChains,
  wayBackNeighbour,
  wayBackNetdevTable,
  wayBackRoute,
  wayBackRule,
  wayBackSysctls,
} from './wayback.js';

/** Loose or no source check: clients come in by eth0, the route to them leads out of another interface. */
const sysctls: readonly Sysctl[] = [
  { key: 'net.ipv4.conf.all.rp_filter', value: '0' },
  { key: 'net.ipv4.conf.default.rp_filter', value: '0' },
  // Addresses are given once each and work at once; nobody in a network is a router by his own word.
  { key: 'net.ipv6.conf.default.accept_dad', value: '0', optional: true },
  { key: 'net.ipv6.conf.default.accept_ra', value: '0', optional: true },
];

/** @returns true @throws INVALID_ARGUMENT */
export function checkSandbox(sandbox: Sandbox): true {
  checkId(sandbox.id);
  sandbox.endpoints.forEach(checkEndpoint);
  sandbox.hostPorts.forEach(checkPublished);
  for (const { address, backends } of sandbox.virtualServices) {
    checkBackends(backends, familyOf(checkIp(address, 'virtual address')));
  }
  if (sandbox.hostPorts.length > 0 && !sandbox.gateway)
    throw invalidArgument(`sandbox ${sandbox.id} has host ports and no interface on the gateway bridge`);
  if (sandbox.ingress && !sandbox.gateway)
    throw invalidArgument(`sandbox ${sandbox.id} is in the ingress network and has no interface on the gateway bridge`);
  return true;
}

/**
 * @param gatewayAddress CIDR on the gateway bridge; undefined for a sandbox without
 * @throws INVALID_ARGUMENT
 */
export function sandboxBlueprint(
  sandbox: Sandbox,
  networks: ReadonlyMap<string, OverlayNetwork>,
  gatewayBridge: GatewayBridge,
  gatewayAddress: string | undefined,
  facts: Facts,
): NamespaceBlueprint {
  const wayBack = facts.clientAddress === 'kept' ? wayBackInput(sandbox, gatewayAddress) : undefined;
  const gatewayAddresses = gatewayCidrs(sandbox, gatewayBridge, gatewayAddress);
  const interfaces = sandboxInterfaces(sandbox, networks, gatewayAddresses, facts);
  const gateway = interfaces.at(-1);
  const ingressMtu = interfaces.find(({ name }) => name === wayBack?.interface)?.mtu;
  return {
    name: sandbox.id,
    subject: { kind: 'sandbox', id: sandbox.id },
    sysctls: [...sysctls, ...(wayBack ? wayBackSysctls : [])],
    bridges: [],
    vxlan: undefined,
    interfaces,
    routes: [
      // Replies are routed here before they have their mark, and take their segment size from this route.
      ...(gatewayAddresses && gateway ? [defaultRoute(gatewayBridge.address, gateway.name, ingressMtu)] : []),
      ...(gatewayAddresses?.[1] && gateway ? [defaultRoute(gatewayBridge.address6, gateway.name)] : []),
      ...sandbox.endpoints.flatMap(({ networkId }, i) =>
        subnetRoutes(
          networks.get(networkId)?.gateways ?? [],
          interfaces[i]?.addresses ?? [],
          interfaces[i]?.name ?? '',
        ),
      ),
      ...(wayBack ? [wayBackRoute(wayBack.interface)] : []),
    ],
    rules: wayBack ? [wayBackRule(wayBack.subnet)] : [],
    neighbours: wayBack ? [wayBackNeighbour(wayBack.interface)] : [],
    tables: sandboxTables(sandbox, wayBack),
  };
}

/** Those who have IPv6 in their networks have it on the gateway bridge too. */
function gatewayCidrs(
  { endpoints }: Sandbox,
  bridge: GatewayBridge,
  cidr: string | undefined,
): readonly [string, ...string[]] | undefined {
  if (cidr === undefined) return undefined;
  const v6 = endpoints.some(({ addresses }) => addresses.some((address) => familyOf(address) === 6));
  return v6 && bridge.address6 !== '' ? [cidr, gatewayAddress6(bridge, cidr)] : [cidr];
}

function sandboxInterfaces(
  sandbox: Sandbox,
  networks: ReadonlyMap<string, OverlayNetwork>,
  gatewayAddresses: readonly [string, ...string[]] | undefined,
  facts: Facts,
): InterfaceBlueprint[] {
  const overlays = sandbox.endpoints.map((endpoint, i) => {
    const network = networks.get(endpoint.networkId);
    if (network === undefined)
      throw invalidArgument(`eth${i} belongs to network ${endpoint.networkId}, which this node does not have`);
    const cidrs = endpoint.addresses.map((address) => {
      const cidr = cidrIn(network.gateways, address);
      if (cidr !== undefined) return cidr;
      throw invalidArgument(`address ${address} of eth${i} is in no subnet of network ${network.id}`, {
        value: address,
      });
    });
    return overlayInterface(sandbox.id, i, endpoint, cidrs, network.mtu);
  });
  if (gatewayAddresses === undefined) return overlays;
  const mtu = facts.underlayMtu ?? 1500;
  return [...overlays, gatewayInterface(sandbox.id, overlays.length, gatewayAddresses, mtu, !facts.bridgeNetfilter)];
}

/** Undefined for a task that is not in the ingress network. */
function wayBackInput(sandbox: Sandbox, gatewayAddress: string | undefined): WayBackInput | undefined {
  if (!sandbox.ingress || gatewayAddress === undefined) return undefined;
  const { overlayId, subnet } = sandbox.ingress;
  const cidr: Cidr = checkCidr(subnet, 'ingress subnet');
  const index = sandbox.endpoints.findIndex((endpoint) => endpoint.networkId === overlayId);
  if (index < 0) throw invalidArgument(`sandbox ${sandbox.id} has no endpoint in the ingress network ${overlayId}`);
  return { interface: `eth${index}`, subnet: cidr, gatewayAddress: addressOf(gatewayAddress) };
}

function sandboxTables({ virtualServices }: Sandbox, wayBack: WayBackInput | undefined): Table[] {
  const [ip, ip6] = [virtualObjects(virtualServices, 4), virtualObjects(virtualServices, 6)];
  const tables: Table[] = [
    ...(wayBack ? [wayBackNetdevTable(wayBack)] : []),
    { family: 'ip', name: TABLE, sets: ip.sets, chains: [...(wayBack ? wayBackChains(wayBack) : []), ...ip.chains] },
    { family: 'ip6', name: TABLE, ...ip6 },
  ];
  return tables.filter(({ chains }) => chains.length > 0);
}
