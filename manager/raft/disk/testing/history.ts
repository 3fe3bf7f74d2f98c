import type { Entry, HardState, SnapshotMetadata } from '../../core/types.js';
import type { RaftDisk, RecoveredState } from '../raft-disk.js';
import { entries, entry, hardState, snapshotAt } from './disk.js';

/** For the crash tests: one call, and what it makes of a state. */
export interface Step {
  run(disk: RaftDisk): Promise<void>;
  after(state: RecoveredState): RecoveredState;
  /** Whether its effect must survive a crash once it has resolved. */
  readonly durable: boolean;
}

export function append(added: readonly Entry[], newest?: HardState, sync = true): Step {
  return {
    run: (disk) => disk.append({ entries: added, hardState: newest }, sync),
    after: (state) => ({
      ...state,
      hardState: newest ?? state.hardState,
      entries: added.reduce((log, one) => [...log.filter(({ index }) => index < one.index), one], state.entries),
    }),
    durable: sync,
  };
}

/** The chunks of a snapshot in these tests. */
export function contents({ index, term }: SnapshotMetadata): string[] {
  return [`state at ${index} `, `of term ${term}`, '-'.repeat(600)];
}

export function write(metadata: SnapshotMetadata): Step {
  return {
    run: (disk) =>
      disk.writeSnapshot(
        metadata,
        contents(metadata).map((chunk) => Buffer.from(chunk)),
      ),
    after: (state) => state,
    durable: true,
  };
}

export function adopt(metadata: SnapshotMetadata, replace: boolean): Step {
  return {
    run: (disk) => disk.adopt(metadata, { replace }),
    after: ({ hardState: { term, vote, commit }, entries: log }) => ({
      hardState:
        metadata.term > term
          ? hardState(metadata.term, 0, Math.max(commit, metadata.index))
          : hardState(term, vote, Math.max(commit, metadata.index)),
      snapshot: metadata,
      entries: replace ? [] : log.filter(({ index }) => index > metadata.index),
    }),
    durable: true,
  };
}

export const nothing: RecoveredState = { hardState: hardState(0, 0, 0), snapshot: undefined, entries: [] };

/**
 * Elections, single and grouped entries, a conflict that is overwritten, a snapshot of a prefix, one
 * from a leader, frames of several sectors; over more than one segment of a few KiB.
 */
export const history: readonly Step[] = [
  append([], hardState(1, 1, 0)),
  append(entries(1, 1), hardState(1, 1, 0)),
  append([], hardState(1, 1, 1), false),
  append(entries(2, 30)),
  append(entries(31, 31), hardState(1, 1, 28)),
  append([], hardState(2, 0, 28)),
  append(entries(29, 29, 2), hardState(2, 3, 28)),
  append([...entries(30, 60, 2), ...entries(32, 33, 3)], hardState(3, 2, 29)),
  write(snapshotAt(29, 2)),
  append(entries(34, 34, 3)),
  adopt(snapshotAt(29, 2), false),
  append([entry(35, 3, 'y'.repeat(2500))], hardState(3, 2, 33)),
  append(entries(36, 36, 3)),
  write(snapshotAt(60, 5)),
  adopt(snapshotAt(60, 5), true),
  append(entries(61, 61, 5), hardState(5, 0, 60)),
  append(entries(62, 90, 5)),
  write(snapshotAt(70, 5)),
  append([], hardState(5, 0, 80), false),
  adopt(snapshotAt(70, 5), false),
  append(entries(91, 91, 5)),
  append([], hardState(6, 1, 91)),
  append(entries(92, 150, 6)),
];

/** All of a state in one line, to be compared. */
export function describeState({ hardState: { term, vote, commit }, snapshot, entries: log }: RecoveredState): string {
  const of = ({ index, term: at, data }: Entry) => `${index}/${at}:${Buffer.from(data).toString().slice(0, 40)}`;
  const covered = snapshot ? `${snapshot.index}/${snapshot.term} ${snapshot.confState.voters}` : 'no snapshot';
  return `term ${term} vote ${vote} commit ${commit}, ${covered}, entries [${log.map(of).join(', ')}]`;
}
