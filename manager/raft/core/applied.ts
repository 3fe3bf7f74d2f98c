import { messageOf } from '../../../lib/errors.js';
import { confChangeEntry, leaveJoint } from './confchange/change.js';
import { RaftError } from './errors.js';
import { propose } from './proposals.js';
import type { Raft } from './raft.js';
import { configString } from './tracker/tracker.js';
import type { Index, Snapshot } from './types.js';

/** Entries up to `index` of `size` bytes were applied. A leader now leaves a configuration that is to be left. */
export function appliedTo(r: Raft, index: Index, size: number): void {
  const applied = Math.max(index, r.log.applied);
  r.log.appliedTo(applied, size);
  const { config } = r.tracker;
  if (!config.autoLeave || applied < r.pendingConfIndex || r.state !== 'StateLeader') return;
  try {
    propose(r, [confChangeEntry(leaveJoint)]);
    r.logger.info(`initiating automatic transition out of joint configuration ${configString(config)}`);
  } catch (error) {
    // A transfer of leadership is under way. Either the next leader leaves the configuration, or this
    // one tries again with the next entry that is applied.
    if (!(error instanceof RaftError)) throw error;
    r.logger.debug(
      `not initiating automatic transition out of joint configuration ${configString(config)}: ${messageOf(error)}`,
    );
  }
}

/** The snapshot is in storage, and with it all entries that it covers are applied. */
export function appliedSnapshot(r: Raft, snapshot: Snapshot): void {
  const { index } = snapshot.metadata;
  r.log.stableSnapTo(index);
  appliedTo(r, index, 0);
}
