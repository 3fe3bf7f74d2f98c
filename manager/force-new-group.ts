import path from 'node:path';
import { systemClock } from '../lib/clock.js';
import { failedPrecondition } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { ManagerIdentity } from './identity.js';
import { ConfState, EntryType, SnapshotMetadata } from './raft/core/types.js';
import { RaftDisk } from './raft/disk/raft-disk.js';
import { recover } from './raft/member/recover.js';
import { MemoryStore } from './store/memory-store.js';
import { VolatileLog } from './store/volatile-log.js';

export interface ForceNewGroupOptions {
  readonly dataRoot: string;
  readonly identity: Pick<ManagerIdentity, 'raftId' | 'keys'>;
  readonly log: Logger;
}

/**
 * Makes the log of a survivor that of a group in which it is alone. All entries of the log are taken for
 * committed: the majority that would know which of them are is gone, and one that was acknowledged may
 * not have been known here to be. Written as a snapshot, which is there whole or not at all: a crash
 * leaves the old group or the new one. No manager may run on the data root.
 * @throws FAILED_PRECONDITION when there is no state of a swarm
 */
export async function forceNewGroup({ dataRoot, identity, log }: ForceNewGroupOptions): Promise<void> {
  const folder = path.join(dataRoot, 'manager');
  const { disk, state } = await RaftDisk.open({ folder, keys: identity.keys, clock: systemClock, log });
  try {
    const machine = new MemoryStore({ proposer: new VolatileLog(), clock: systemClock, log });
    const storage = await recover(disk, state, machine);
    for (const entry of state.entries) {
      if (entry.type === EntryType.EntryNormal && entry.data.length > 0) machine.apply(entry.index, entry.data);
    }
    if (machine.view().count('cluster') === 0) {
      throw failedPrecondition('there is no state of a swarm on this manager to make a new one from', {
        value: folder,
        hint: 'Choose a manager that had caught up with the others.',
      });
    }
    const last = storage.lastIndex();
    const term = storage.term(last);
    const confState = ConfState.create({ voters: [identity.raftId] });
    // One past the end, so that it is newer than any snapshot that is there.
    const metadata = SnapshotMetadata.create({
      index: last + 1,
      term: Math.max(term, state.hardState.term) + 1,
      confState,
    });
    await disk.append({ entries: [], hardState: { ...state.hardState, term: metadata.term, vote: 0 } }, true);
    await disk.writeSnapshot(metadata, machine.snapshot().chunks);
    await disk.adopt(metadata, { replace: true });
    log.warn(
      { index: metadata.index, members: state.snapshot?.confState.voters },
      'the log is that of a new group now',
    );
  } finally {
    await disk.close();
  }
}
