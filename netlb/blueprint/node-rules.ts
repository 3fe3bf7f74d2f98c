/** The rules of the node's own namespace, for one family: what leads to sandboxes, and who may reach whom. */
import { familyOf, formatCidr, parseCidr } from '../../lib/ip.js';
import { GATEWAY_PORTS, SILENT_PORTS } from '../names.js';
import { addressType, type Family, ipName } from '../nft/family.js';
import { type Chain, type NftSet, priorities } from '../nft/table.js';
import type { RoutedBridge } from './bridges.js';
import type { HostForward } from './forwards.js';
import { portAtKey, portKey } from './ports.js';

/** Sources that nobody else can answer. The kernel does not let ::1 leave the machine even when it is translated. */
const LOOPBACK = { 4: ['127.0.0.0/8'], 6: [] } as const;
/** Addresses of IPv6 that the kernel does not forward between: whoever calls them is refused, not left without an answer. */
const NOT_ROUTED = '{ ::1, fe80::/10 }';

const subnetsOf = (bridges: readonly RoutedBridge[], family: Family): string[] =>
  bridges
    .flatMap(({ gateways }) => gateways)
    .filter((gateway) => familyOf(gateway) === family)
    .map((gateway) => formatCidr(parseCidr(gateway)));

const oneOf = (items: readonly string[]): string => (items.length === 1 ? items.join() : `{ ${items.join(', ')} }`);
const quoted = ({ name }: RoutedBridge): string => `"${name}"`;

/** Where host ports lead: `host_ports` on all local addresses, `host_ports_at` on one. */
export function forwardSets(forwards: readonly HostForward[], family: Family): NftSet[] {
  const value = `${addressType[family]} . inet_service`;
  const destination = ({ address, target }: HostForward) => `${address} . ${target}`;
  const everywhere = forwards.filter(({ hostAddress }) => hostAddress === '');
  const atOne = forwards.filter(({ hostAddress }) => hostAddress !== '');
  return [
    {
      name: 'host_ports',
      key: 'inet_proto . inet_service',
      value,
      keep: 'exact',
      elements: everywhere.map((forward) => `${portKey(forward)} : ${destination(forward)}`),
    },
    {
      name: 'host_ports_at',
      key: `${addressType[family]} . inet_proto . inet_service`,
      value,
      keep: 'exact',
      elements: atOne.map((forward) => `${portAtKey(forward)} : ${destination(forward)}`),
    },
  ];
}

/** @param before rules for ports that lead elsewhere */
export function publishChains(before: readonly string[], family: Family): Chain[] {
  const ip = ipName[family];
  const toLocal = 'fib daddr type local goto publish';
  return [
    {
      name: 'publish',
      rules: [
        ...before,
        `meta l4proto { 6, 17, 132 } dnat ${ip} to meta l4proto . th dport map @host_ports`,
        `meta l4proto { 6, 17, 132 } dnat ${ip} to ${ip} daddr . meta l4proto . th dport map @host_ports_at`,
      ],
    },
    {
      name: 'prerouting',
      base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat, policy: 'accept' },
      // The kernel drops what neighbours send to loopback addresses, but only after it was translated.
      rules: [`${ip} daddr != ${family === 4 ? '127.0.0.0/8' : NOT_ROUTED} ${toLocal}`],
    },
    {
      name: 'output',
      base: { type: 'nat', hook: 'output', priority: priorities.dstnat, policy: 'accept' },
      rules: [family === 4 ? toLocal : `ip6 daddr != ${NOT_ROUTED} ${toLocal}`],
    },
  ];
}

/** What `route_localnet` would let in: the node's own loopback addresses, as destination and as source. */
export function loopbackGuard(bridges: readonly RoutedBridge[]): Chain {
  const from = `iifname ${oneOf(bridges.map(quoted))}`;
  return {
    name: 'loopback_guard',
    base: { type: 'filter', hook: 'prerouting', priority: priorities.raw, policy: 'accept' },
    // The address first: to look a name up costs every packet more.
    rules: ['daddr', 'saddr'].map((end) => `ip ${end} 127.0.0.0/8 ${from} drop`),
  };
}

/** Who may reach whom. What the node itself sends is not concerned. */
export function isolationChains(bridges: readonly RoutedBridge[], family: Family): Chain[] {
  const internal = bridges.filter((bridge) => bridge.internal).map(quoted);
  const silent = bridges.filter(({ interContainer }) => !interContainer).map(quoted);
  const open = bridges.filter((bridge) => !bridge.internal).map(quoted);
  return [
    {
      // Answers, and what was sent to a published port: nothing else comes into a bridge from elsewhere.
      name: 'inward',
      rules: ['ct status dnat accept', 'ct direction reply accept', 'drop'],
    },
    {
      name: 'isolation',
      base: { type: 'filter', hook: 'forward', priority: priorities.filter, policy: 'accept' },
      rules: [
        ...(family === 4 ? bridges.flatMap(betweenNodes) : []),
        ...internal.flatMap((name) => [
          `iifname ${name} oifname != ${name} drop`,
          `iifname != ${name} oifname ${name} drop`,
        ]),
        // As `inward` would say of most packets, which need no look at the names of the others.
        'ct status dnat accept',
        ...silent.map((name) => `iifname ${name} oifname ${name} drop`),
        ...open.map((name) => `iifname != ${name} oifname ${name} goto inward`),
      ],
    },
  ];
}

/** What goes between nodes within a routed network; what is of none of its containers has no part in it. */
function betweenNodes({ name, routed }: RoutedBridge): string[] {
  if (routed === undefined) return [];
  const { device, subnet, sources } = routed;
  return [
    `iifname "${device}" oifname "${name}" ip saddr ${oneOf(sources)} accept`,
    `iifname "${name}" oifname "${device}" ip daddr ${subnet} accept`,
    `iifname != "${name}" oifname "${device}" ip daddr ${subnet} goto inward`,
  ];
}

/** @param before rules for what must not get a bridge's address */
export function sourceChain(before: readonly string[], bridges: readonly RoutedBridge[], family: Family): Chain {
  const ip = ipName[family];
  const rules = bridges.flatMap((bridge) => {
    const subnets = subnetsOf([bridge], family);
    if (subnets.length === 0) return [];
    const name = quoted(bridge);
    // Containers on other nodes see each other's own addresses.
    const elsewhere = bridge.routed && family === 4 ? `ip daddr != ${bridge.routed.subnet} ` : '';
    return [
      // Who is in the same network would answer the client straight, and nobody else has a way back to 127.0.0.1.
      `oifname ${name} ct status dnat ${ip} saddr ${oneOf([...LOOPBACK[family], ...subnets])} masquerade`,
      ...(bridge.masquerade && !bridge.internal
        ? [`oifname != ${name} ${ip} saddr ${oneOf(subnets)} ${elsewhere}masquerade`]
        : []),
    ];
  });
  return {
    name: 'postrouting',
    base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat, policy: 'accept' },
    rules: [...before, ...rules],
  };
}

/**
 * Where frames between a bridge's ports pass the IP hooks of some families, one whose destination was translated to
 * another port is bridged, not routed, and isolated ports would drop it. So the ports of those who shall not reach
 * each other are not isolated there: `isolation` sees their packets, and this stops all else.
 * @param families of at least one
 */
export function frameIsolation(families: ReadonlySet<Family>): Chain {
  const seen = [...families].sort().map((family) => ipName[family]);
  return {
    name: 'isolation',
    base: { type: 'filter', hook: 'forward', priority: priorities.filter, policy: 'accept' },
    // By the ports' names: not every kernel can tell the bridge (meta ibrname).
    rules: [GATEWAY_PORTS, SILENT_PORTS].map(
      (prefix) => `iifname "${prefix}*" oifname "${prefix}*" ether type != ${oneOf(seen)} drop`,
    ),
  };
}

/** The same addresses on every node: who is elsewhere could not answer them. */
export const localSources = (bridges: readonly RoutedBridge[], family: Family): string =>
  oneOf([...LOOPBACK[family], ...subnetsOf(bridges, family)]);
