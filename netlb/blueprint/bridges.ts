/** Local bridges: networks of this node alone, whose endpoints are ports of a bridge in the node's namespace. */
import { alreadyExists, invalidArgument } from '../../lib/errors.js';
import { type Cidr, canonicalCidr, familyOf, formatCidr, macOf, overlaps, parseCidr } from '../../lib/ip.js';
import { BRIDGE_PORTS, GATEWAY_BRIDGE, NODE_NAMESPACE, portName, SILENT_PORTS } from '../names.js';
import { ipName } from '../nft/family.js';
import { type Firewall, knows } from '../nft/firewall.js';
import type { GatewayBridge, LocalBridge, SandboxEndpoint } from '../state.js';
import { checkId, checkMtu } from './check.js';
import type { Facts } from './facts.js';
import { holderOf, whose } from './foreign.js';
import type { BridgeBlueprint, InterfaceBlueprint, Subject, Sysctl } from './model.js';

/** A local bridge as it is made, and what sandboxes need to know of it. */
export interface BridgeNetwork extends LocalBridge {
  readonly kind: 'bridge';
  readonly routed?: RoutedLinks | undefined;
}

/** How the bridge of a routed network is reached from the other nodes' subnets. */
export interface RoutedLinks {
  /** CIDR of the whole network. */
  readonly subnet: string;
  /** Where packets of other nodes come in and go out: the VXLAN device, or the underlay's link. */
  readonly device: string;
  /** Whose packets are let in from there: addresses and CIDRs. */
  readonly sources: readonly string[];
}

/** What the node's rules need to know of a bridge: a local one, or the gateway bridge. */
export type RoutedBridge = Pick<
  BridgeNetwork,
  'name' | 'gateways' | 'internal' | 'interContainer' | 'masquerade' | 'routed'
>;

/** Tasks reach each other over it through published ports alone. */
export const routedGatewayBridge = ({ address, address6 }: GatewayBridge): RoutedBridge => ({
  name: GATEWAY_BRIDGE,
  gateways: [address, ...(address6 === '' ? [] : [address6])],
  internal: false,
  interContainer: false,
  masquerade: true,
});

export const subjectOf = ({ id }: LocalBridge): Subject => ({ kind: 'bridge', id });

const ETHERNET_MTU = 1500;

/**
 * @param others those that are made already: names and subnets are given once
 * @param tell what is wrong and yet left as it is
 * @throws INVALID_ARGUMENT, ALREADY_EXISTS when something else has its name or a part of its subnets
 */
export function bridgeNetwork(
  bridge: LocalBridge,
  others: readonly RoutedBridge[],
  facts: Facts,
  tell: (message: string) => void,
): BridgeNetwork {
  const { name } = bridge;
  const mtu = bridge.mtu || (facts.underlayMtu ?? ETHERNET_MTU);
  checkId(bridge.id);
  checkName(name);
  const gateways = bridge.gateways.map(canonicalCidr);
  if (gateways.length === 0) throw invalidArgument(`bridge ${name} has no subnet`, { value: bridge.id });
  checkMtu(mtu, gateways);
  const foreign = facts.foreign.links;
  if (foreign.has(name))
    throw alreadyExists(`${name} is there and not of our making: ${whose({ name, kind: foreign.get(name) })}`, {
      value: name,
    });
  if (others.some((other) => other.name === name))
    throw alreadyExists(`two networks want a bridge ${name}`, { value: name });
  for (const gateway of gateways) checkGateway(name, gateway, others, facts, tell);
  return { ...bridge, kind: 'bridge', mtu, gateways };
}

/**
 * The gateway bridge's subnets against what the machine has.
 * @throws ALREADY_EXISTS when something else has a part of them and the bridge is not there yet
 */
export function checkGatewayBridge(bridge: GatewayBridge, facts: Facts, tell: (message: string) => void): void {
  // A bridge of that name that is not ours is named when it is looked at.
  if (facts.foreign.links.has(GATEWAY_BRIDGE)) return;
  for (const gateway of routedGatewayBridge(bridge).gateways)
    checkGateway(GATEWAY_BRIDGE, canonicalCidr(gateway), [], facts, tell);
}

function checkGateway(
  name: string,
  gateway: string,
  others: readonly RoutedBridge[],
  facts: Facts,
  tell: (message: string) => void,
): void {
  const isThere = facts.bridgeAddresses.get(name)?.includes(gateway) === true;
  checkIsFree(name, parseCidr(gateway), isThere, others, facts, tell);
}

/**
 * @param isThere whether the bridge has it already
 * @throws ALREADY_EXISTS when something else has a part of it and had that first
 */
export function checkIsFree(
  name: string,
  subnet: Cidr,
  isThere: boolean,
  others: readonly RoutedBridge[],
  facts: Facts,
  tell: (message: string) => void,
): void {
  const other = others.find(({ gateways }) => gateways.some((cidr) => overlaps(parseCidr(cidr), subnet)));
  const holder = other ? `the network of ${other.name}` : holderOf(subnet, facts.foreign);
  if (holder === undefined) return;
  const message = `the subnet ${formatCidr(subnet)} of ${name} overlaps ${holder}`;
  if (other || !isThere)
    throw alreadyExists(message, { value: formatCidr(subnet), hint: 'Give the network another subnet.' });
  // Whoever came second made the conflict: to take the bridge away would cut those who were here first.
  tell(`${message}, which came later: some of its addresses may be out of reach`);
}

/** A name of a link that can stand in nft's rules and in paths of /proc/sys. @throws INVALID_ARGUMENT */
function checkName(name: string): void {
  const reserved = ['all', 'default', 'lo', GATEWAY_BRIDGE];
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/.test(name) || reserved.includes(name))
    throw invalidArgument(`"${name}" cannot be the name of a bridge`, {
      value: name,
      hint: 'It has at most 15 letters, digits, "_", "." and "-".',
    });
}

export function bridgeBlueprint(network: BridgeNetwork): BridgeBlueprint {
  const { name, mtu, gateways } = network;
  // A bridge without an address of its own takes that of a port, which changes as ports come and go.
  const [gateway] = gateways;
  return { name, subject: subjectOf(network), mac: gateway && macOf(gateway), mtu, addresses: gateways };
}

export function bridgeSysctls({ name, gateways }: RoutedBridge): Sysctl[] {
  const v6 = gateways.some((gateway) => familyOf(gateway) === 6);
  return [
    // What a link sends on is told by its own setting: managers of networks, and conf/default, set it for each.
    { key: `net/ipv4/conf/${name}/forwarding`, value: '1', link: name },
    // For clients on the node that call 127.0.0.1; `loopback_guard` shuts what it would open.
    { key: `net/ipv4/conf/${name}/route_localnet`, value: '1', link: name },
    ...(v6 ? [{ key: `net/ipv6/conf/${name}/disable_ipv6`, value: '0', link: name }] : []),
  ];
}

/** @param owner id of the sandbox, shown as the port's alias */
export function bridgeInterface(
  owner: string,
  name: string,
  endpoint: SandboxEndpoint,
  cidrs: readonly string[],
  network: BridgeNetwork,
  facts: Facts,
): InterfaceBlueprint {
  const translated = facts.bridgeNetfilter.size > 0;
  return {
    name,
    mac: endpoint.mac,
    mtu: network.mtu,
    addresses: cidrs,
    port: {
      namespace: NODE_NAMESPACE,
      bridge: network.name,
      name: portName(
        network.interContainer ? BRIDGE_PORTS : SILENT_PORTS,
        owner,
        name,
        network.id,
        ...cidrs,
        endpoint.mac,
      ),
      alias: `${owner} ${name}`,
      // Where frames are translated on the bridge they must get to ports: the rules alone isolate.
      isolated: !network.interContainer && !translated,
      hairpin: translated,
    },
  };
}

/** What the node's firewall does to all that a bridge forwards, and how to let it through; one text per chain. */
export function firewallProblems({ name, gateways }: RoutedBridge, firewalls: readonly Firewall[]): string[] {
  const families = new Set<string>(['inet', ...gateways.map((gateway) => ipName[familyOf(gateway)])]);
  return firewalls
    .filter((firewall) => families.has(firewall.family) && !knows(firewall, name))
    .map(({ family, table, chain }) => {
      const insert = `nft insert rule ${family} ${table} ${chain}`;
      return (
        `the chain ${chain} of table ${family} ${table} drops what is forwarded and has no rule for ${name}: ` +
        `let it through (${insert} iifname ${name} accept; ${insert} oifname ${name} accept)`
      );
    });
}
