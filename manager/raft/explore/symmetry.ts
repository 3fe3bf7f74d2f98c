import type { Message, NodeId } from '../core/types.js';
import type { Action } from './action.js';
import type { Bounds } from './bounds.js';

/** An exchange of node numbers under which the group is the same as before. */
export interface Permutation {
  /** Its place in the list of all; the first changes nothing. */
  readonly number: number;
  readonly ids: ReadonlyMap<NodeId, NodeId>;
}

/**
 * All permutations of voters that no change of configuration names. Nothing in Raft depends on which
 * number a node has, so states that one of these turns into each other need be visited once: what
 * follows from them is the same but for the numbers. A core that breaks this is found out, since a
 * renamed node is brought into its state by the renamed actions.
 */
export function symmetries({ nodes, voters, changes }: Bounds): readonly Permutation[] {
  const named = new Set(changes.flatMap((change) => change.changes.map(({ nodeId }) => nodeId)));
  const free = voters.filter((id) => !named.has(id));
  return permutations(free).map((images, number) => {
    const ids = new Map(nodes.map((id) => [id, id]));
    for (const [i, id] of free.entries()) ids.set(id, images[i] ?? id);
    return { number, ids };
  });
}

export function renameId(id: NodeId, { ids }: Permutation): NodeId {
  return ids.get(id) ?? id;
}

/** What else names nodes, configurations, names all that are exchanged, or none. */
export function renameMessage(m: Message, permutation: Permutation): Message {
  return { ...m, from: renameId(m.from, permutation), to: renameId(m.to, permutation) };
}

export function renameAction(action: Action, permutation: Permutation): Action {
  if (action.kind === 'receive') return { ...action, message: renameMessage(action.message, permutation) };
  if (action.kind !== 'crash' || action.during?.kind !== 'receive') return action;
  return { ...action, during: { ...action.during, message: renameMessage(action.during.message, permutation) } };
}

export function inverse({ number, ids }: Permutation): Permutation {
  return { number, ids: new Map([...ids].map(([from, to]) => [to, from])) };
}

/** First `first`, then `second`. */
export function compose(first: Permutation, second: Permutation): Permutation {
  return { number: -1, ids: new Map([...first.ids].map(([from, to]) => [from, renameId(to, second)])) };
}

function permutations<T>(items: readonly T[]): readonly (readonly T[])[] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
}
