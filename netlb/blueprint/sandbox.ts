/** A task's namespace. */
import { invalidArgument } from '../../lib/errors.js';
import { addressOf, familyOf, parseCidr } from '../../lib/ip.js';
import { TABLE } from '../names.js';
import type { Table } from '../nft/table.js';
import type { Sandbox } from '../state.js';
import { bridgeInterface } from './bridges.js';
import { checkBackends, checkEndpoint, checkId, checkIp, checkPort, checkPublished } from './check.js';
import type { Facts } from './facts.js';
import { answeredFamilies, type IngressPlace } from './ingress-place.js';
import { ingressPortObjects } from './ingress-ports.js';
import {
  checkDisjoint,
  defaultRoute,
  gatewayInterface,
  overlayInterface,
  routedRoute,
  subnetRoutes,
} from './interfaces.js';
import { gatewayIn, type Layout, type Place, wayOut } from './layout.js';
import type { InterfaceBlueprint, NamespaceBlueprint, RouteBlueprint, Sysctl } from './model.js';
import { type ResolverPorts, resolverChains } from './resolver.js';
import { ownTracking } from './tracking.js';
import { virtualObjects } from './virtual.js';
import {
  type WayBackInput,
  wayBackChains,
  wayBackNeighbours,
  wayBackNetdevTable,
  wayBackRoutes,
  wayBackRules,
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
  for (const port of sandbox.hostPorts) checkPublished(port, checkIp);
  for (const { published, target } of sandbox.ingress?.ports ?? []) {
    checkPort(published, 'published port');
    checkPort(target, 'target port');
  }
  for (const { address, backends } of sandbox.virtualServices) {
    checkBackends(backends, familyOf(checkIp(address, 'virtual address')));
  }
  for (const server of sandbox.resolver?.nameservers ?? []) checkIp(server, 'name server');
  if (sandbox.ingress && !sandbox.gateway)
    throw invalidArgument(`sandbox ${sandbox.id} is in the ingress network and has no interface on the gateway bridge`);
  return true;
}

/** @throws INVALID_ARGUMENT */
export function sandboxBlueprint(sandbox: Sandbox, layout: Layout, facts: Facts): NamespaceBlueprint {
  const ingress = ingressPlace(sandbox, layout);
  const wayBack = facts.clientAddress === 'kept' ? ingress : undefined;
  const interfaces = sandboxInterfaces(sandbox, layout, facts);
  checkDisjoint(interfaces);
  return {
    name: sandbox.id,
    subject: { kind: 'sandbox', id: sandbox.id },
    sysctls: [...sysctls, ...(ingress ? ownTracking : []), ...(wayBack ? wayBackSysctls : [])],
    bridges: [],
    vxlans: [],
    interfaces,
    routes: [
      ...defaultRoutes(layout, wayBack),
      ...layout.endpoints.flatMap(({ name, network, cidrs }) => subnetRoutes(network.gateways, cidrs, name)),
      ...layout.endpoints.flatMap(routedRoutes),
      ...(wayBack ? wayBackRoutes(wayBack) : []),
    ],
    rules: wayBack ? wayBackRules(wayBack) : [],
    neighbours: wayBack ? wayBackNeighbours(wayBack) : [],
    tables: sandboxTables(sandbox, { ingress, wayBack }, sandbox.resolver && facts.resolverPorts.get(sandbox.id)),
  };
}

function sandboxInterfaces({ id }: Sandbox, layout: Layout, facts: Facts): InterfaceBlueprint[] {
  const { gateway } = layout;
  const isolated = facts.bridgeNetfilter.size === 0;
  return [
    ...layout.endpoints.map(({ name, endpoint, network, cidrs }) =>
      network.kind === 'bridge'
        ? bridgeInterface(id, name, endpoint, cidrs, network, facts)
        : overlayInterface(id, name, endpoint, cidrs, network.mtu),
    ),
    ...(gateway ? [gatewayInterface(id, gateway.name, gateway.cidrs, facts.underlayMtu ?? 1500, isolated)] : []),
  ];
}

function defaultRoutes(layout: Layout, wayBack: WayBackInput | undefined): RouteBlueprint[] {
  // Replies are routed here before they have their mark, and take their segment size from this route.
  const ingressMtu = layout.endpoints.find(({ name }) => name === wayBack?.interface)?.network.mtu;
  const answered = wayBack ? answeredFamilies(wayBack) : [];
  return ([4, 6] as const).flatMap((family) => {
    const way = wayOut(layout, family);
    return way ? [defaultRoute(way.via, way.interface, answered.includes(family) ? ingressMtu : undefined)] : [];
  });
}

function routedRoutes({ name, network, cidrs: [cidr] }: Place): RouteBlueprint[] {
  if (network.kind !== 'bridge' || network.routed === undefined || cidr === undefined) return [];
  const gateway = gatewayIn(network, cidr);
  return gateway === undefined ? [] : [routedRoute(network.routed.subnet, gateway, name)];
}

/** Undefined for a task that is not in the ingress network. */
function ingressPlace(sandbox: Sandbox, { endpoints, gateway }: Layout): IngressPlace | undefined {
  if (!sandbox.ingress || gateway === undefined) return undefined;
  const { overlayId, ports } = sandbox.ingress;
  const subnets = sandbox.ingress.subnets.map(parseCidr);
  if (!subnets.some(({ family }) => family === 4))
    throw invalidArgument(`the ingress network ${overlayId} has no IPv4 subnet, which tasks know its nodes by`);
  const place = endpoints.find(({ endpoint }) => endpoint.networkId === overlayId);
  if (!place) throw invalidArgument(`sandbox ${sandbox.id} has no endpoint in the ingress network ${overlayId}`);
  const addresses = place.cidrs.map(addressOf);
  if (!addresses.some((address) => familyOf(address) === 4))
    throw invalidArgument(`sandbox ${sandbox.id} has no IPv4 address in the ingress network`);
  return { interface: place.name, subnets, addresses, gatewayAddresses: gateway.cidrs.map(addressOf), ports };
}

function sandboxTables(
  { virtualServices }: Sandbox,
  { ingress, wayBack }: { readonly ingress: IngressPlace | undefined; readonly wayBack: WayBackInput | undefined },
  resolver: ResolverPorts | undefined,
): Table[] {
  const objectsOf = (family: 4 | 6) => {
    const ports = ingress && ingressPortObjects(ingress, wayBack !== undefined, family);
    const virtual = virtualObjects(virtualServices, family);
    return {
      sets: [...(ports?.sets ?? []), ...virtual.sets],
      chains: [...(ports?.chains ?? []), ...(wayBack ? wayBackChains(wayBack, family) : []), ...virtual.chains],
    };
  };
  const ip = objectsOf(4);
  const tables: Table[] = [
    ...(wayBack ? [wayBackNetdevTable(wayBack)] : []),
    {
      family: 'ip',
      name: TABLE,
      sets: ip.sets,
      chains: [...ip.chains, ...(resolver ? resolverChains(resolver) : [])],
    },
    { family: 'ip6', name: TABLE, ...objectsOf(6) },
  ];
  return tables.filter(({ chains }) => chains.length > 0);
}
