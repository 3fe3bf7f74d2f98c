import { restoreMembership, sameConfState } from './confchange/restore.js';
import { InvariantError } from './errors.js';
import { hex } from './logger.js';
import { switchToConfig } from './membership.js';
import type { Raft } from './raft.js';
import { emptyConfig } from './tracker/tracker.js';
import { type ConfState, type Message, MsgType, Snapshot } from './types.js';

/** A follower's handling of MsgSnap. */
export function handleSnapshot(r: Raft, m: Message): void {
  const snapshot = m.snapshot ?? Snapshot.create();
  const { index, term } = snapshot.metadata;
  const restored = restoreSnapshot(r, snapshot);
  r.logger.info(
    `${hex(r.id)} [commit: ${r.log.committed}] ${restored ? 'restored' : 'ignored'} snapshot [index: ${index}, term: ${term}]`,
  );
  const upTo = restored ? r.log.lastIndex() : r.log.committed;
  r.send({ type: MsgType.MsgAppResp, to: m.from, index: upTo });
}

/** Replaces log and configuration; false when the snapshot brings nothing, or is not for this node. */
function restoreSnapshot(r: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  if (index <= r.log.committed) return false;
  if (r.state !== 'StateFollower') throw new InvariantError(`${r.state} ${r.id} was given a snapshot to restore`);
  // Everything here takes the node to be in its own configuration. (A member of learnersNext is one
  // of votersOutgoing.)
  const { voters, learners, votersOutgoing } = confState;
  if (![voters, learners, votersOutgoing].some((set) => set.includes(r.id))) {
    r.logger.warn(
      `${hex(r.id)} attempted to restore snapshot but it is not in the ConfState ${JSON.stringify(confState)}; should never happen`,
    );
    return false;
  }
  if (r.log.matches({ index, term })) {
    // The log has it all: only the commit index was behind. Entries after the snapshot are kept.
    const last = r.log.lastEntryId();
    r.logger.info(
      `${hex(r.id)} [commit: ${r.log.committed}, lastindex: ${last.index}, lastterm: ${last.term}] fast-forwarded commit to snapshot [index: ${index}, term: ${term}]`,
    );
    r.log.commitTo(index);
    return false;
  }
  r.log.restore(snapshot);
  restoreConfState(r, confState);
  const last = r.log.lastEntryId();
  r.logger.info(
    `${hex(r.id)} [commit: ${r.log.committed}, lastindex: ${last.index}, lastterm: ${last.term}] restored snapshot [index: ${index}, term: ${term}]`,
  );
  return true;
}

/** Switches to a configuration from nothing. @throws InvariantError when it is not one that can be reached */
export function restoreConfState(r: Raft, state: ConfState): void {
  const { config, progress } = restoreMembership(
    {
      config: emptyConfig,
      progress: new Map(),
      lastIndex: r.log.lastIndex(),
      newInflights: () => r.tracker.newInflights(),
    },
    state,
  );
  const restored = switchToConfig(r, { config, progress });
  if (!sameConfState(state, restored))
    throw new InvariantError(`restored ${JSON.stringify(restored)} from ${JSON.stringify(state)}`);
}
