/** How connections are tracked where they pass: for how long, and how strictly. */
import { mappedList } from '../../lib/kept-list.js';
import { rememberedOf } from '../../lib/remembered.js';
import { type Chain, type NftSet, priorities } from '../nft/table.js';
import type { Sysctl } from './model.js';
import { portKey } from './ports.js';

/**
 * Seconds after which an idle TCP connection is forgotten, at the least: a day, as kube-proxy has it. Longer than
 * the two hours after which a socket's own keep-alive speaks (tcp_keepalive_time).
 */
const ESTABLISHED = 86_400;

/** In the node's namespace, where a hardened machine may forget connections after minutes. More stays more. */
export const nodeTracking: readonly Sysctl[] = [
  {
    key: 'net.netfilter.nf_conntrack_tcp_timeout_established',
    value: String(ESTABLISHED),
    atLeast: true,
    optional: true,
  },
];

/**
 * Seconds after which a connection is forgotten that is not established yet (the kernel's own: 120 and 60). Longer than
 * between two SYN-ACKs, of which the last but one and the last have 16 s between them (tcp_synack_retries); a client
 * that sends its SYN again later than that begins anew.
 */
const HALF_OPEN = 30;

/**
 * In namespaces of ours, which begin with the kernel's own time-outs (5 days). A segment outside the window as
 * conntrack sees it belongs to its connection all the same: untranslated it would be answered with a reset.
 */
export const ownTracking: readonly Sysctl[] = [
  { key: 'net.netfilter.nf_conntrack_tcp_be_liberal', value: '1', optional: true },
  // A flood of SYNs leaves fewer of them behind, and they go sooner.
  { key: 'net.netfilter.nf_conntrack_tcp_timeout_syn_sent', value: String(HALF_OPEN), optional: true },
  { key: 'net.netfilter.nf_conntrack_tcp_timeout_syn_recv', value: String(HALF_OPEN), optional: true },
];

interface Mesh {
  readonly published: readonly MeshPort[];
}

type MeshPort = Parameters<typeof portKey>[0] & { readonly family: 4 | 6 };

const portKeys = () => mappedList((port: MeshPort) => portKey(port));
const portsOf = { 4: portKeys(), 6: portKeys() };
const eachOnce = rememberedOf((ports: readonly string[]): readonly string[] => [...new Set(ports)]);

/**
 * In the node's namespace: what is sent to a published port and was not recognised as its connection's is not
 * translated, and the node itself would reset the connection.
 */
export function unrecognised(
  mesh: Mesh | undefined,
  family: 4 | 6,
): { readonly sets: NftSet[]; readonly chains: Chain[] } {
  if (mesh === undefined) return { sets: [], chains: [] };
  const ports = portsOf[family](mesh.published.filter((port) => port.family === family));
  return {
    sets: [{ name: 'mesh_ports', key: 'inet_proto . inet_service', keep: 'exact', elements: eachOnce(ports) }],
    chains: [
      {
        name: 'unrecognised',
        base: { type: 'filter', hook: 'input', priority: priorities.filter, policy: 'accept' },
        rules: ['ct state invalid meta l4proto . th dport @mesh_ports drop'],
      },
    ],
  };
}
