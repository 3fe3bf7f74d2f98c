import { spreadValue } from './constraint.js';
import { type Demand, explain, type Refusal, refuseNode, refuseRoom } from './filters.js';
import type { NodeInfo } from './node-info.js';

/** A node with what this decision has put on it so far. */
interface Candidate {
  readonly info: NodeInfo;
  readonly failing: boolean;
  tasks: number;
}

/** A level of the spread tree: all candidates with one value of a label, or, at the bottom, the nodes. */
interface Branch {
  readonly children: readonly Branch[];
  readonly candidates: Candidate[];
  /** Tasks of the service below it, with those that this decision has put there. */
  serviceTasks: number;
}

export interface Placement {
  /** One node per placed task, in the order of the decision; fewer than asked when room runs out. */
  readonly nodes: readonly NodeInfo[];
  /** Why the rest found none; empty when all are placed. */
  readonly explanation: string;
}

/**
 * Places `count` tasks of one kind: where most of the service's tasks are missing, then where the
 * fewest tasks are at all; spread preferences divide them between label values first. Nodes on which
 * the service keeps failing come last.
 * @param isFailing whether the service has failed on the node lately
 */
export function place(
  demand: Demand,
  count: number,
  nodes: Iterable<NodeInfo>,
  isFailing: (info: NodeInfo) => boolean,
): Placement {
  const refusals: Refusal[] = [];
  const candidates: Candidate[] = [];
  for (const info of nodes) {
    const refusal = refuseNode(info, demand);
    if (refusal) refusals.push(refusal);
    else candidates.push({ info, failing: isFailing(info), tasks: 0 });
  }
  const spread = demand.spec.placement.preferences.map((p) => p.spread).filter((s) => s !== '');
  const root = branch(candidates, spread, demand.serviceId);
  const chosen: NodeInfo[] = [];
  while (chosen.length < count) {
    const candidate = pick(root, demand, refusals);
    if (!candidate) break;
    candidate.tasks++;
    chosen.push(candidate.info);
  }
  return { nodes: chosen, explanation: chosen.length < count ? explain(refusals) : '' };
}

function branch(candidates: Candidate[], spread: readonly string[], serviceId: string): Branch {
  const serviceTasks = candidates.reduce((sum, c) => sum + c.info.tasksOf(serviceId), 0);
  const [descriptor, ...rest] = spread;
  if (descriptor === undefined) return { children: [], candidates: heapify(candidates, serviceId), serviceTasks };
  const byValue = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const value = spreadValue(candidate.info.node, descriptor);
    const group = byValue.get(value);
    if (group) group.push(candidate);
    else byValue.set(value, [candidate]);
  }
  const values = [...byValue].sort(([a], [b]) => (a < b ? -1 : 1));
  return { children: values.map(([, group]) => branch(group, rest, serviceId)), candidates: [], serviceTasks };
}

/** The best candidate with room, counted in. Those without room leave the tree: within a decision room only shrinks. */
function pick(tree: Branch, demand: Demand, refusals: Refusal[]): Candidate | undefined {
  const picked = tree.children.length > 0 ? pickBelow(tree, demand, refusals) : pickNode(tree, demand, refusals);
  if (picked) tree.serviceTasks++;
  return picked;
}

function pickBelow(tree: Branch, demand: Demand, refusals: Refusal[]): Candidate | undefined {
  for (const child of [...tree.children].sort((a, b) => a.serviceTasks - b.serviceTasks)) {
    const picked = pick(child, demand, refusals);
    if (picked) return picked;
  }
  return undefined;
}

function pickNode({ candidates }: Branch, demand: Demand, refusals: Refusal[]): Candidate | undefined {
  for (let top = candidates[0]; top; top = candidates[0]) {
    const refusal = refuseRoom(top.info, demand, { tasks: top.tasks });
    if (!refusal) {
      const picked = top;
      // It is counted after this returns; sift with that count.
      siftDown(candidates, 0, before(demand.serviceId, picked));
      return picked;
    }
    refusals.push(refusal);
    const last = candidates.pop();
    if (last && last !== top) {
      candidates[0] = last;
      siftDown(candidates, 0, before(demand.serviceId));
    }
  }
  return undefined;
}

type Before = (a: Candidate, b: Candidate) => boolean;

/** The order of preference. @param counted the candidate that is about to get one more task */
function before(serviceId: string, counted?: Candidate): Before {
  const tasks = (c: Candidate) => c.tasks + (c === counted ? 1 : 0);
  return (a, b) => {
    if (a.failing !== b.failing) return b.failing;
    const service = a.info.tasksOf(serviceId) + tasks(a) - b.info.tasksOf(serviceId) - tasks(b);
    if (service !== 0) return service < 0;
    const total = a.info.total + tasks(a) - b.info.total - tasks(b);
    return total !== 0 ? total < 0 : a.info.node.id < b.info.node.id;
  };
}

function heapify(candidates: Candidate[], serviceId: string): Candidate[] {
  for (let i = (candidates.length >> 1) - 1; i >= 0; i--) siftDown(candidates, i, before(serviceId));
  return candidates;
}

function siftDown(heap: Candidate[], from: number, isBefore: Before): void {
  for (let i = from; ; ) {
    let best = i;
    for (const child of [2 * i + 1, 2 * i + 2]) {
      const a = heap[child];
      const b = heap[best];
      if (a && b && isBefore(a, b)) best = child;
    }
    const top = heap[i];
    const swap = heap[best];
    if (best === i || !top || !swap) return;
    heap[i] = swap;
    heap[best] = top;
    i = best;
  }
}
