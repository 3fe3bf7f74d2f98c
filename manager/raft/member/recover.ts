import type { StateMachine } from '../../store/proposer.js';
import { MemoryStorage } from '../core/log/memory-storage.js';
import { ConfState, type NodeId, Snapshot, SnapshotMetadata } from '../core/types.js';
import type { RaftDisk, RecoveredState } from '../disk/raft-disk.js';

/** Where a new group's log begins: all its members know this much without having been told. */
const BEGIN = { index: 1, term: 1 } as const;

/** Makes a new group, whose only member this is, on an empty disk. */
export async function beginGroup(disk: RaftDisk, self: NodeId): Promise<SnapshotMetadata> {
  const metadata = SnapshotMetadata.create({ ...BEGIN, confState: ConfState.create({ voters: [self] }) });
  await disk.writeSnapshot(metadata, []);
  await disk.adopt(metadata, { replace: true });
  return metadata;
}

/** The log in memory as it is on disk, and the state machine as the snapshot in force has it. */
export async function recover(
  disk: RaftDisk,
  { hardState, snapshot, entries }: RecoveredState,
  machine: StateMachine,
): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  if (snapshot) {
    storage.applySnapshot(Snapshot.create({ metadata: snapshot }));
    await machine.restore(snapshot.index, disk.readSnapshot(snapshot));
  }
  storage.setHardState(hardState);
  storage.append(entries);
  return storage;
}
