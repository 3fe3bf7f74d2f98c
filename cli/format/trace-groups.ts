import type { TraceCandidate, TraceHop } from '../../proto/gen/inspections.js';

/** Hops that follow each other in one place. */
export interface Group {
  readonly back: boolean;
  readonly node: string;
  readonly namespace: string;
  readonly owner: string;
  readonly hops: { readonly number: number; readonly hop: TraceHop }[];
}

export function groupHops(hops: readonly TraceHop[]): Group[] {
  const groups: Group[] = [];
  for (const [i, hop] of hops.entries()) {
    const { back, node, namespace, owner } = hop;
    const last = groups.at(-1);
    const isSame = last?.back === back && last.node === node && last.namespace === namespace;
    const group = isSame ? last : { back, node, namespace, owner, hops: [] };
    group.hops.push({ number: i + 1, hop });
    if (group !== last) groups.push(group);
  }
  return groups;
}

/** "web.1 (3kfj2l9sdf1k)", "ingress_sbox", "node's own namespace" */
export function placeName({ owner, namespace, node }: Pick<Group, 'owner' | 'namespace' | 'node'>): string {
  if (node === '') return 'outside of the swarm';
  if (namespace === '') return "node's own namespace";
  const short = namespace.slice(0, 12);
  return owner === '' || owner === namespace ? short : `${owner} (${short})`;
}

/** The details that say most, by kind of hop; the others are in the JSON. */
const TOLD: Readonly<Record<string, readonly string[]>> = {
  resolver: ['server'],
  route: ['table', 'rule', 'source', 'mtu', 'mark'],
  neighbour: ['state', 'answeredBy'],
  link: ['mtu'],
  bridge: ['mac', 'entry'],
  fdb: ['vni', 'port', 'local'],
  vxlan: ['local'],
  underlay: ['vni', 'mtu', 'neighbour'],
  interface: ['mac', 'addresses'],
  balancer: ['chain'],
  translation: ['chain'],
};

export const brief = ({ kind, details }: TraceHop): string =>
  (TOLD[kind] ?? [])
    .flatMap((key) => (details[key] === undefined ? [] : [`${key === 'answeredBy' ? 'from' : key} ${details[key]}`]))
    .concat(details.peerNamespace === undefined ? [] : `to ${details.peerOwner ?? details.peerNamespace}`)
    .join(', ');

/** "10.0.1.5:80 api.2 on node2" */
export function candidateText({ address, port, weight, owner, node }: TraceCandidate): string {
  const end = port === 0 ? address : `${address}:${port}`;
  const who = owner === '' ? '' : ` ${owner}`;
  const where = node === '' ? '' : ` on ${node}`;
  return `${end}${who}${where}${weight > 1 ? ` (weight ${weight})` : ''}`;
}
