import {
  type Node,
  NodeAvailability,
  NodeState,
  NodeStateName,
  type PortConfig,
  type TaskSpec,
} from '../../proto/gen/index.js';
import { isRange, publishedText } from '../../proto/ports.js';
import { mayClash } from '../common/published-ports.js';
import { type Constraint, meets, normalArchitecture } from './constraint.js';
import type { NodeInfo } from './node-info.js';

/** What tasks of one group ask of a node. */
export interface Demand {
  readonly serviceId: string;
  readonly spec: TaskSpec;
  readonly constraints: readonly Constraint[];
  /** Ports that the task needs of its node. */
  readonly hostPorts: readonly PortConfig[];
  /** Names of kernel features that its networks need. */
  readonly features: readonly string[];
}

/** Why a node does not do: the kind is counted, the detail told. */
export interface Refusal {
  readonly filter: FilterName;
  readonly detail: string;
}

export type FilterName = 'ready' | 'feature' | 'constraint' | 'platform' | 'resources' | 'hostPort' | 'maxReplicas';

const FIXED = [ready, feature, constraint, platform] as const;
const CHANGING = [resources, hostPort, maxReplicas] as const;

/** Why no task of this demand may ever go there as the node is now; undefined when it may. */
export function refuseNode(info: NodeInfo, demand: Demand): Refusal | undefined {
  return first(FIXED, info, demand, NOTHING);
}

/** What a placement in the making has already put on a node. */
export interface Placed {
  readonly tasks: number;
}
export const NOTHING: Placed = { tasks: 0 };

/** Why there is no room for one more task, given those that this decision has put there. */
export function refuseRoom(info: NodeInfo, demand: Demand, placed: Placed): Refusal | undefined {
  return first(CHANGING, info, demand, placed);
}

type Filter = (info: NodeInfo, demand: Demand, placed: Placed) => Refusal | undefined;

function first(filters: readonly Filter[], info: NodeInfo, demand: Demand, placed: Placed): Refusal | undefined {
  for (const filter of filters) {
    const refusal = filter(info, demand, placed);
    if (refusal) return refusal;
  }
  return undefined;
}

function ready({ node }: NodeInfo): Refusal | undefined {
  const refuse = (detail: string): Refusal => ({ filter: 'ready', detail: `${nameOf(node)} ${detail}` });
  if (node.status.state !== NodeState.READY) return refuse(NodeStateName[node.status.state].toLowerCase());
  if (node.spec.availability === NodeAvailability.DRAIN) return refuse('drained');
  if (node.spec.availability === NodeAvailability.PAUSE) return refuse('paused');
  return undefined;
}

function feature({ node }: NodeInfo, { features }: Demand): Refusal | undefined {
  const missing = node.description.features.find((f) => !f.available && (f.required || features.includes(f.name)));
  return missing && { filter: 'feature', detail: `${missing.name} on ${nameOf(node)}` };
}

function constraint({ node }: NodeInfo, { constraints }: Demand): Refusal | undefined {
  const unmet = constraints.find((c) => !meets(node, c));
  return unmet && { filter: 'constraint', detail: `${unmet.key}${unmet.equal ? '==' : '!='}${unmet.value}` };
}

function platform({ node }: NodeInfo, { spec }: Demand): Refusal | undefined {
  const { platforms } = spec.placement;
  const has = node.description.platform;
  const fits = platforms.some(
    (p) =>
      (p.os === '' || p.os.toLowerCase() === has.os.toLowerCase()) &&
      (p.architecture === '' || normalArchitecture(p.architecture) === normalArchitecture(has.architecture)),
  );
  if (platforms.length === 0 || fits) return undefined;
  return { filter: 'platform', detail: `${has.os}/${has.architecture}` };
}

function resources(info: NodeInfo, { spec }: Demand, { tasks }: Placed): Refusal | undefined {
  const asked = spec.resources.reservations;
  const refuse = (detail: string): Refusal => ({ filter: 'resources', detail });
  if (asked.nanoCpus > 0 && asked.nanoCpus * (tasks + 1) > info.freeNanoCpus) return refuse('CPUs');
  if (asked.memoryBytes > 0 && asked.memoryBytes * (tasks + 1) > info.freeMemoryBytes) return refuse('memory');
  const short = asked.generic.find((g) => g.value * (tasks + 1) > info.freeGeneric(g.kind));
  return short && refuse(short.kind);
}

function hostPort(info: NodeInfo, { hostPorts }: Demand, { tasks }: Placed): Refusal | undefined {
  // Each of a task's own ranges takes one port, also where they are the same.
  const each = (port: PortConfig) =>
    isRange(port) ? hostPorts.filter((other) => isRange(other) && mayClash(other, port)).length : 1;
  const used = hostPorts.find((port) => info.roomForHostPort(port) < (tasks + 1) * each(port));
  return used === undefined ? undefined : { filter: 'hostPort', detail: publishedText(used) };
}

function maxReplicas(info: NodeInfo, { serviceId, spec }: Demand, { tasks }: Placed): Refusal | undefined {
  const max = spec.placement.maxReplicas;
  if (max === 0 || info.tasksOf(serviceId) + tasks < max) return undefined;
  return { filter: 'maxReplicas', detail: String(max) };
}

function nameOf(node: Node): string {
  return node.description.hostname || node.id;
}

/** What docker says, and then what it concerns. */
const WORDS: Readonly<Record<FilterName, (nodes: string) => string>> = {
  ready: (nodes) => `${nodes} not available for new tasks`,
  feature: (nodes) => `missing kernel feature on ${nodes}`,
  constraint: (nodes) => `scheduling constraints not satisfied on ${nodes}`,
  platform: (nodes) => `unsupported platform on ${nodes}`,
  resources: (nodes) => `insufficient resources on ${nodes}`,
  hostPort: (nodes) => `host-mode port already in use on ${nodes}`,
  maxReplicas: (nodes) => `max replicas per node limit exceed on ${nodes}`,
};
const MAX_DETAILS = 3;

/** `no suitable node (insufficient resources on 2 nodes: memory; 1 node not available for new tasks: node3 drained)` */
export function explain(refusals: readonly Refusal[]): string {
  if (refusals.length === 0) return 'no suitable node (the swarm has no nodes)';
  const byFilter = new Map<FilterName, string[]>();
  for (const { filter, detail } of refusals) byFilter.set(filter, [...(byFilter.get(filter) ?? []), detail]);
  const parts = [...byFilter]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([filter, details]) => {
      const distinct = [...new Set(details)];
      const more = distinct.length > MAX_DETAILS ? ' …' : '';
      const nodes = `${details.length} node${details.length === 1 ? '' : 's'}`;
      return `${WORDS[filter](nodes)}: ${distinct.slice(0, MAX_DETAILS).join(', ')}${more}`;
    });
  return `no suitable node (${parts.join('; ')})`;
}
