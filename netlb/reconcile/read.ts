/** Reads what the kernel shows of one namespace, whole or in part. */
import type { Steps } from '../../lib/steps.js';
import { RTPROT_RA, TABLE_MAIN } from '../kernel/routes.js';
import type { Link, Route, RouteSocket } from '../kernel/rtnetlink.js';
import { hasLegacyTables } from '../kernel/xtables.js';
import { acceptRouters, INGRESS_NAMESPACE, isOverlayNamespace, LINK_GROUP, NODE_NAMESPACE } from '../names.js';
import { type ActualNamespace, NOTHING_ACTUAL } from '../plan/actual.js';
import { tunnelsOf } from '../plan/tunnels.js';
import type { NamespaceHandle } from './handles.js';
import type { ForeignRules } from './tables.js';

/** Routing table of the way back (blueprint/wayback.ts). */
const WAY_BACK_TABLE = 100;

/** Settings that some blueprint sets, or that one is made by. */
const NODE_SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.forwarding',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
  'net.netfilter.nf_conntrack_tcp_timeout_established',
];
/** Settings of each bridge that is ours. */
const bridgeSysctls = (name: string): string[] => [
  `net/ipv4/conf/${name}/forwarding`,
  `net/ipv4/conf/${name}/route_localnet`,
  `net/ipv6/conf/${name}/disable_ipv6`,
];
const OVERLAY_SYSCTLS = [
  ...['iptables', 'ip6tables', 'arptables'].map((hook) => `net/bridge/bridge-nf-call-${hook}`),
  'net.ipv6.conf.default.addr_gen_mode',
];
/** Of connections, in namespaces of ours (blueprint/tracking.ts). */
const OWN_TRACKING = ['be_liberal', 'timeout_syn_sent', 'timeout_syn_recv'].map(
  (name) => `net.netfilter.nf_conntrack_tcp_${name}`,
);
const SANDBOX_SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv4.conf.all.rp_filter',
  'net.ipv4.conf.default.rp_filter',
  'net.ipv4.tcp_fwmark_accept',
  'net.ipv4.tcp_early_demux',
  ...OWN_TRACKING,
  'net.ipv6.conf.default.accept_dad',
  'net.ipv6.conf.default.accept_ra',
];

const INGRESS_SYSCTLS = [
  ...OWN_TRACKING,
  'net.ipv4.ip_forward',
  'net.ipv4.conf.all.rp_filter',
  'net.ipv4.conf.default.rp_filter',
  'net.ipv6.conf.all.forwarding',
  'net.ipv6.conf.default.accept_dad',
  ...['conntrack', 'conn_reuse_mode', 'expire_nodest_conn', 'expire_quiescent_template'].map(
    (name) => `net.ipv4.vs.${name}`,
  ),
];

/** What of a namespace can be read by itself. */
export type Part = 'links' | 'addressing' | 'neighbours' | 'tunnels' | 'sysctls' | 'tables' | 'ipvs' | 'encryption';
export const PARTS: readonly Part[] = [
  'links',
  'addressing',
  'neighbours',
  'tunnels',
  'sysctls',
  'tables',
  'ipvs',
  'encryption',
];

type Kind = 'node' | 'overlay' | 'ingress' | 'sandbox';

const kindOf = (name: string): Kind =>
  name === NODE_NAMESPACE
    ? 'node'
    : isOverlayNamespace(name)
      ? 'overlay'
      : name === INGRESS_NAMESPACE
        ? 'ingress'
        : 'sandbox';

type Reader = (
  handle: NamespaceHandle,
  kind: Kind,
  read: ActualNamespace,
) => Partial<ActualNamespace> | Steps<Partial<ActualNamespace>>;

/** Each is given what those before it in PARTS have read, and may be interrupted where it gives steps. */
const readers: { readonly [P in Part]: Reader } = {
  links: ({ route }) => ({ links: route.links() }),
  addressing: ({ route }, kind) => ({
    addresses: route.addresses(),
    routes: [
      ...(kind === 'overlay' ? [] : route.routes(TABLE_MAIN)),
      ...(kind === 'sandbox' ? route.routes(WAY_BACK_TABLE) : []),
    ],
    rules: kind === 'sandbox' || kind === 'ingress' ? route.rules() : [],
  }),
  neighbours: ({ route }, kind) => ({
    neighbours: kind === 'node' || kind === 'overlay' ? [] : route.neighbours(),
  }),
  tunnels: ({ route }, kind, { links }) =>
    (kind === 'node' || kind === 'overlay') && hasTunnel(links)
      ? readTunnels(route, links)
      : { tunnels: NOTHING_ACTUAL.tunnels },
  sysctls: (handle, kind, { links, routes }) => ({
    sysctls: readSysctls(
      handle,
      {
        node: nodeSysctls(links, routes),
        overlay: OVERLAY_SYSCTLS,
        ingress: INGRESS_SYSCTLS,
        sandbox: SANDBOX_SYSCTLS,
      }[kind],
    ),
  }),
  tables: ({ tables, namespace }, kind) => ({
    ...(kind === 'node' ? foreignRules(tables, namespace) : { firewalls: [], stateful: false }),
    tables: kind === 'overlay' ? tables.overlay() : kind === 'node' ? tables.node() : tables.sandbox(),
  }),
  ipvs: ({ ipvs }, kind, read) => ({ ipvs: kind === 'ingress' ? ipvs.read(read.ipvs) : undefined }),
  encryption: (handle, kind) => ({
    encryption: kind === 'node' ? handle.encryption.read() : NOTHING_ACTUAL.encryption,
  }),
};

/**
 * To be interrupted between the parts, and in long ones: each takes its time in a network of thousands.
 * @param before what was read earlier: its other parts are taken over
 */
export function* readNamespace(
  name: string,
  handle: NamespaceHandle,
  parts: Iterable<Part>,
  before: ActualNamespace = NOTHING_ACTUAL,
): Steps<ActualNamespace> {
  const kind = kindOf(name);
  const asked = new Set(parts);
  let read = before;
  for (const part of PARTS) {
    if (!asked.has(part)) continue;
    yield;
    const found = readers[part](handle, kind, read);
    read = { ...read, ...(Symbol.iterator in found ? yield* found : found) };
  }
  return read;
}

function* readTunnels(route: RouteSocket, links: readonly Link[]): Steps<Partial<ActualNamespace>> {
  const neighbours = route.neighbours();
  yield;
  const fdb = route.fdb();
  yield;
  return { tunnels: tunnelsOf(links, neighbours, fdb) };
}

/** What the iptables of before nftables have cannot be read: where they have tables, these are taken to ask. */
function foreignRules(tables: NamespaceHandle['tables'], namespace: NamespaceHandle['namespace']): ForeignRules {
  const { firewalls, stateful } = tables.foreign();
  return { firewalls, stateful: stateful || hasLegacyTables(namespace) };
}

/** Of our making: those of routed networks are in the node's namespace. */
const hasTunnel = (links: readonly Link[]): boolean =>
  links.some(({ group, vxlan }) => group === LINK_GROUP && vxlan !== undefined);

function nodeSysctls(links: readonly Link[], routes: readonly Route[]): string[] {
  const bridges = links.filter(({ group, kind }) => group === LINK_GROUP && kind === 'bridge');
  return [
    ...NODE_SYSCTLS,
    ...bridges.flatMap(({ name }) => bridgeSysctls(name)),
    ...linksWithRouters(links, routes).map(acceptRouters),
  ];
}

/** Links whose IPv6 default route was made for a router advertisement. */
export function linksWithRouters(links: readonly Link[], routes: readonly Route[]): string[] {
  const learned = new Set(
    routes.filter(({ destination, protocol }) => destination === '::/0' && protocol === RTPROT_RA).map((r) => r.index),
  );
  return links.filter(({ index }) => learned.has(index)).map(({ name }) => name);
}

function readSysctls({ settings }: NamespaceHandle, keys: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const key of keys) {
    const value = settings.read(key);
    if (value !== undefined) values.set(key, value);
  }
  return values;
}
