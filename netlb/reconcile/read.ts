/** Reads what the kernel shows of one namespace, whole or in part. */
import { TABLE_MAIN } from '../kernel/routes.js';
import { readSysctl } from '../kernel/sysctl.js';
import { GATEWAY_BRIDGE, isOverlayNamespace, NODE_NAMESPACE } from '../names.js';
import { type ActualNamespace, NOTHING_ACTUAL } from '../plan/actual.js';
import type { NamespaceHandle } from './handles.js';

/** Routing table of the way back (blueprint/wayback.ts). */
const WAY_BACK_TABLE = 100;

/** Settings that some blueprint sets, or that one is made by. */
const NODE_SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.forwarding',
  `net/ipv4/conf/${GATEWAY_BRIDGE}/route_localnet`,
  'net/bridge/bridge-nf-call-iptables',
];
const OVERLAY_SYSCTLS = [
  ...['iptables', 'ip6tables', 'arptables'].map((hook) => `net/bridge/bridge-nf-call-${hook}`),
  'net.ipv6.conf.default.addr_gen_mode',
];
const SANDBOX_SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv4.conf.all.rp_filter',
  'net.ipv4.conf.default.rp_filter',
  'net.ipv4.tcp_fwmark_accept',
  'net.ipv4.tcp_early_demux',
  'net.ipv6.conf.default.accept_dad',
  'net.ipv6.conf.default.accept_ra',
];

/** What of a namespace can be read by itself. */
export type Part = 'links' | 'addressing' | 'neighbours' | 'sysctls' | 'tables';
export const PARTS: readonly Part[] = ['links', 'addressing', 'neighbours', 'sysctls', 'tables'];

type Kind = 'node' | 'overlay' | 'sandbox';

const kindOf = (name: string): Kind =>
  name === NODE_NAMESPACE ? 'node' : isOverlayNamespace(name) ? 'overlay' : 'sandbox';

const readers: { readonly [P in Part]: (handle: NamespaceHandle, kind: Kind) => Partial<ActualNamespace> } = {
  links: ({ route }) => ({ links: route.links() }),
  addressing: ({ route }, kind) => ({
    addresses: route.addresses(),
    routes: kind === 'sandbox' ? [...route.routes(TABLE_MAIN), ...route.routes(WAY_BACK_TABLE)] : [],
    rules: kind === 'sandbox' ? route.rules() : [],
  }),
  neighbours: ({ route }, kind) => ({
    neighbours: kind === 'node' ? [] : route.neighbours(),
    fdb: kind === 'overlay' ? route.fdb() : [],
  }),
  sysctls: (handle, kind) => ({
    sysctls: readSysctls(handle, { node: NODE_SYSCTLS, overlay: OVERLAY_SYSCTLS, sandbox: SANDBOX_SYSCTLS }[kind]),
  }),
  tables: ({ tables }, kind) => ({
    tables:
      kind === 'overlay' ? new Map() : tables.read(kind === 'node' ? ['ip', 'ip6', 'bridge'] : ['ip', 'ip6', 'netdev']),
  }),
};

/** @param before what was read earlier: its other parts are taken over */
export function readNamespace(
  name: string,
  handle: NamespaceHandle,
  parts: Iterable<Part>,
  before: ActualNamespace = NOTHING_ACTUAL,
): ActualNamespace {
  const kind = kindOf(name);
  return Object.assign({}, before, ...[...parts].map((part) => readers[part](handle, kind)));
}

function readSysctls({ namespace }: NamespaceHandle, keys: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const key of keys) {
    const value = readSysctl(namespace, key);
    if (value !== undefined) values.set(key, value);
  }
  return values;
}
