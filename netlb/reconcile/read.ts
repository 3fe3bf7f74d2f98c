/** Reads what the kernel shows of a node's network. */
import { listNamespaces, listStaleNamespaceFiles } from '../kernel/namespace.js';
import { TABLE_MAIN } from '../kernel/routes.js';
import { readSysctl } from '../kernel/sysctl.js';
import { GATEWAY_BRIDGE, isOverlayNamespace, NODE_NAMESPACE } from '../names.js';
import type { ActualNamespace, ActualState } from '../plan/actual.js';
import type { NamespaceHandle, NamespaceHandles } from './handles.js';
import type { Slices } from './slices.js';

/** Routing table of the way back (blueprint/wayback.ts). */
const WAY_BACK_TABLE = 100;

/** Settings that some blueprint sets, or that one is made by. */
const NODE_SYSCTLS = [
  'net.ipv4.ip_forward',
  `net/ipv4/conf/${GATEWAY_BRIDGE}/route_localnet`,
  'net/bridge/bridge-nf-call-iptables',
];
const OVERLAY_SYSCTLS = ['iptables', 'ip6tables', 'arptables'].map((hook) => `net/bridge/bridge-nf-call-${hook}`);
const SANDBOX_SYSCTLS = [
  'net.ipv4.ip_forward',
  'net.ipv4.conf.all.rp_filter',
  'net.ipv4.conf.default.rp_filter',
  'net.ipv4.tcp_fwmark_accept',
  'net.ipv4.tcp_early_demux',
];

/** All namespaces, with turns of the event loop between them. */
export async function readState(handles: NamespaceHandles, slices: Slices): Promise<ActualState> {
  const names = listNamespaces(handles.directory);
  handles.retain(new Set(names));
  const namespaces = new Map<string, ActualNamespace>();
  for (const name of [NODE_NAMESPACE, ...names]) {
    namespaces.set(name, readNamespace(name, handles.get(name)));
    await slices.pause();
  }
  return { namespaces, staleFiles: listStaleNamespaceFiles(handles.directory) };
}

function readNamespace(name: string, handle: NamespaceHandle): ActualNamespace {
  const { route } = handle;
  const node = name === NODE_NAMESPACE;
  const overlay = isOverlayNamespace(name);
  const sandbox = !node && !overlay;
  return {
    links: route.links(),
    addresses: route.addresses(),
    routes: sandbox ? [...route.routes(TABLE_MAIN), ...route.routes(WAY_BACK_TABLE)] : [],
    rules: sandbox ? route.rules() : [],
    neighbours: node ? [] : route.neighbours(),
    fdb: overlay ? route.fdb() : [],
    sysctls: readSysctls(handle, node ? NODE_SYSCTLS : overlay ? OVERLAY_SYSCTLS : SANDBOX_SYSCTLS),
    tables: overlay ? new Map() : handle.tables.read(node ? ['ip', 'bridge'] : ['ip', 'netdev']),
  };
}

function readSysctls({ namespace }: NamespaceHandle, keys: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const key of keys) {
    const value = readSysctl(namespace, key);
    if (value !== undefined) values.set(key, value);
  }
  return values;
}
