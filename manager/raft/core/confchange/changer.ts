import { InvariantError, RaftError } from '../errors.js';
import { isVoter, jointIds } from '../quorum/joint.js';
import type { Inflights } from '../tracker/inflights.js';
import { Progress } from '../tracker/progress.js';
import type { ProgressMap, TrackerConfig } from '../tracker/tracker.js';
import { type ConfChangeSingle, ConfChangeType, type Index, type NodeId, None } from '../types.js';

/** A configuration and the progress of exactly its members. */
export interface Membership {
  readonly config: TrackerConfig;
  readonly progress: ProgressMap;
}

export interface ChangeBase extends Membership {
  /** Where new members are probed first: at the end of the log, since most come with a snapshot. */
  readonly lastIndex: Index;
  newInflights(): Inflights;
}

/** What is changed, apart from its base until it is complete: a refused change leaves no trace. */
interface Draft {
  readonly incoming: Set<NodeId>;
  readonly outgoing: Set<NodeId>;
  readonly learners: Set<NodeId>;
  readonly learnersNext: Set<NodeId>;
  readonly progress: Map<NodeId, Progress>;
}

/**
 * Changes at most one voter: any majority of the old and any of the new configuration then have a
 * member in common, so no joint configuration is needed (thesis 4.1).
 * @throws RaftError (conf-change-refused)
 */
export function simpleChange(base: ChangeBase, changes: readonly ConfChangeSingle[]): Membership {
  if (isJoint(base.config)) throw refused("can't apply simple config change in joint config");
  const draft = draftOf(base);
  applyChanges(base, draft, changes);
  if (symmetricDifference(base.config.voters.incoming, draft.incoming) > 1)
    throw refused('more than one voter changed without entering joint config');
  return finish(draft, base.config.autoLeave);
}

/**
 * Moves to the joint configuration of today's voters (outgoing) and those after the changes
 * (incoming): from here to leaveJoint, elections and commits need a majority of both.
 * @throws RaftError (conf-change-refused)
 */
export function enterJoint(base: ChangeBase, autoLeave: boolean, changes: readonly ConfChangeSingle[]): Membership {
  if (isJoint(base.config)) throw refused('config is already joint');
  if (base.config.voters.incoming.size === 0) throw refused("can't make a zero-voter config joint");
  const draft = draftOf(base);
  for (const id of draft.incoming) draft.outgoing.add(id);
  applyChanges(base, draft, changes);
  return finish(draft, autoLeave);
}

/** Drops the outgoing half; its members that are in no other set are gone. @throws RaftError */
export function leaveJointConfig(base: ChangeBase): Membership {
  if (!isJoint(base.config)) throw refused("can't leave a non-joint config");
  const draft = draftOf(base);
  for (const id of draft.learnersNext) {
    draft.learners.add(id);
    const progress = draft.progress.get(id);
    if (progress) progress.isLearner = true;
  }
  draft.learnersNext.clear();
  for (const id of draft.outgoing) if (!draft.incoming.has(id) && !draft.learners.has(id)) draft.progress.delete(id);
  draft.outgoing.clear();
  return finish(draft, false);
}

export function isJoint(config: TrackerConfig): boolean {
  return config.voters.outgoing.size > 0;
}

function applyChanges(base: ChangeBase, draft: Draft, changes: readonly ConfChangeSingle[]): void {
  for (const { type, nodeId } of changes) {
    // An application that vetoes a committed change sets its node to none: nothing is done, in order.
    if (nodeId === None) continue;
    switch (type) {
      case ConfChangeType.ConfChangeAddNode:
        makeVoter(base, draft, nodeId);
        break;
      case ConfChangeType.ConfChangeAddLearnerNode:
        makeLearner(base, draft, nodeId);
        break;
      case ConfChangeType.ConfChangeRemoveNode:
        remove(draft, nodeId);
        break;
      case ConfChangeType.ConfChangeUpdateNode:
        break;
      default:
        throw refused(`unexpected conf type ${type satisfies never}`);
    }
  }
  if (draft.incoming.size === 0) throw refused('removed all voters');
}

function makeVoter(base: ChangeBase, draft: Draft, id: NodeId): void {
  const progress = draft.progress.get(id);
  if (progress) progress.isLearner = false;
  else addProgress(base, draft, id, false);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  draft.incoming.add(id);
}

/**
 * A voter of the outgoing half stays one until the joint configuration is left, since voters and
 * learners are disjoint; until then it waits in learnersNext.
 */
function makeLearner(base: ChangeBase, draft: Draft, id: NodeId): void {
  const progress = draft.progress.get(id);
  if (!progress) {
    addProgress(base, draft, id, true);
    draft.learners.add(id);
    return;
  }
  if (progress.isLearner) return;
  remove(draft, id);
  draft.progress.set(id, progress);
  if (draft.outgoing.has(id)) {
    draft.learnersNext.add(id);
  } else {
    progress.isLearner = true;
    draft.learners.add(id);
  }
}

function remove(draft: Draft, id: NodeId): void {
  if (!draft.progress.has(id)) return;
  draft.incoming.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  // The outgoing half still needs to hear from it.
  if (!draft.outgoing.has(id)) draft.progress.delete(id);
}

function addProgress(base: ChangeBase, draft: Draft, id: NodeId, isLearner: boolean): void {
  const next = Math.max(base.lastIndex, 1);
  const inflights = base.newInflights();
  // Active to begin with: CheckQuorum must not count against it that it had no time to answer.
  draft.progress.set(id, new Progress({ match: 0, next, isLearner, recentActive: true, inflights }));
}

function draftOf({ config, progress }: Membership): Draft {
  checkInvariants(config, progress);
  return {
    incoming: new Set(config.voters.incoming),
    outgoing: new Set(config.voters.outgoing),
    learners: new Set(config.learners),
    learnersNext: new Set(config.learnersNext),
    progress: new Map([...progress].map(([id, p]) => [id, p.clone()])),
  };
}

function finish({ incoming, outgoing, learners, learnersNext, progress }: Draft, autoLeave: boolean): Membership {
  const config = { voters: { incoming, outgoing }, autoLeave, learners, learnersNext };
  checkInvariants(config, progress);
  return { config, progress };
}

function checkInvariants({ voters, learners, learnersNext, autoLeave }: TrackerConfig, progress: ProgressMap): void {
  const check = (holds: boolean, otherwise: string) => {
    if (!holds) throw new InvariantError(`configuration: ${otherwise}`);
  };
  for (const id of [...jointIds(voters), ...learners, ...learnersNext])
    check(progress.has(id), `no progress for ${id}`);
  for (const id of learnersNext) {
    check(voters.outgoing.has(id), `${id} is in learnersNext, but no outgoing voter`);
    check(progress.get(id)?.isLearner === false, `${id} is in learnersNext, but already a learner`);
  }
  for (const id of learners) {
    check(!isVoter(voters, id), `${id} is a learner and a voter`);
    check(progress.get(id)?.isLearner === true, `${id} is a learner, but not marked as one`);
  }
  if (voters.outgoing.size > 0) return;
  check(learnersNext.size === 0, 'learnersNext outside of a joint configuration');
  check(!autoLeave, 'autoLeave outside of a joint configuration');
}

function symmetricDifference(a: ReadonlySet<NodeId>, b: ReadonlySet<NodeId>): number {
  let n = 0;
  for (const id of a) if (!b.has(id)) n++;
  for (const id of b) if (!a.has(id)) n++;
  return n;
}

function refused(text: string): RaftError {
  return new RaftError('conf-change-refused', text);
}
