import { DEFAULT_SLOW_FOLLOWER_ENTRIES, DEFAULT_SNAPSHOT_INTERVAL } from './bootstrap.js';
import type { SnapshotPolicy } from './raft/member/snapshotter.js';
import type { Store } from './store/store.js';

/** What the cluster's spec says. A swarm that is being made, or has not come yet, has no cluster object. */
export function snapshotPolicy(store: Store): SnapshotPolicy {
  for (const { spec } of store.view().list('cluster')) {
    return { interval: spec.raft.snapshotInterval, keepEntries: spec.raft.logEntriesForSlowFollowers };
  }
  return { interval: DEFAULT_SNAPSHOT_INTERVAL, keepEntries: DEFAULT_SLOW_FOLLOWER_ENTRIES };
}

/** Snapshots besides the one in force. */
export function keepOldSnapshots(store: Store): number {
  for (const { spec } of store.view().list('cluster')) return spec.raft.keepOldSnapshots ?? 0;
  return 0;
}
