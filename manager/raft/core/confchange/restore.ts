import { ConfChangeSingle, ConfChangeType, type ConfState, type NodeId } from '../types.js';
import { type ChangeBase, enterJoint, type Membership, simpleChange } from './changer.js';

/**
 * The membership that a ConfState describes, reached by the same changes that could have led to it:
 * so what a restart sees obeys the same checks. `base` is an empty configuration.
 */
export function restoreMembership(base: ChangeBase, state: ConfState): Membership {
  const one = (type: ConfChangeType) => (nodeId: NodeId) => ConfChangeSingle.create({ type, nodeId });
  const addVoter = one(ConfChangeType.ConfChangeAddNode);
  const addLearner = one(ConfChangeType.ConfChangeAddLearnerNode);
  const removeNode = one(ConfChangeType.ConfChangeRemoveNode);

  const incoming = [
    ...state.votersOutgoing.map(removeNode),
    ...state.voters.map(addVoter),
    ...state.learners.map(addLearner),
    ...state.learnersNext.map(addLearner),
  ];
  if (state.votersOutgoing.length === 0) return oneByOne(base, incoming);
  const outgoing = oneByOne(base, state.votersOutgoing.map(addVoter));
  return enterJoint({ ...base, ...outgoing }, state.autoLeave, incoming);
}

function oneByOne(base: ChangeBase, changes: readonly ConfChangeSingle[]): Membership {
  let membership: Membership = { config: base.config, progress: base.progress };
  for (const change of changes) membership = simpleChange({ ...base, ...membership }, [change]);
  return membership;
}

/** Whether two states describe the same configuration: the order of ids does not matter. */
export function sameConfState(a: ConfState, b: ConfState): boolean {
  const same = (x: readonly NodeId[], y: readonly NodeId[]) =>
    x.length === y.length && [...x].sort((m, n) => m - n).join() === [...y].sort((m, n) => m - n).join();
  return (
    same(a.voters, b.voters) &&
    same(a.votersOutgoing, b.votersOutgoing) &&
    same(a.learners, b.learners) &&
    same(a.learnersNext, b.learnersNext) &&
    a.autoLeave === b.autoLeave
  );
}
