import { deepFreeze } from '../core/testing/deep-freeze.js';
import { type ConfState, type Entry, type Index, type Snapshot, SnapshotMetadata, type Term } from '../core/types.js';
import { Violation } from './violation.js';

/** The state machine: a digest of all entries and configurations in order. */
export interface Machine {
  readonly index: Index;
  readonly digest: number;
  readonly confState: ConfState;
}

export function machineOf({ data, metadata: { index, confState } }: Snapshot): Machine {
  return { index, confState, digest: data.length === 0 ? 0 : Buffer.from(data).readUInt32LE() };
}

/** @param term that of the last entry which was applied */
export function snapshotOf({ index, confState, digest }: Machine, term: Term): Snapshot {
  return deepFreeze({ data: dataOf(digest), metadata: SnapshotMetadata.create({ index, term, confState }) });
}

export function dataOf(digest: number): Uint8Array {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(digest);
  return data;
}

/** The machine after one more entry, which led to this configuration. */
export function afterEntry(before: Machine, entry: Entry, confState: ConfState): Machine {
  let digest = fnv(before.digest ^ 0x811c9dc5, [entry.term & 0xff, entry.type, ...entry.data]);
  if (confState !== before.confState) digest = fnv(digest, Buffer.from(JSON.stringify(confState)));
  return { index: entry.index, digest, confState };
}

function fnv(begin: number, bytes: Iterable<number>): number {
  let digest = begin;
  for (const byte of bytes) digest = Math.imul(digest ^ byte, 0x01000193);
  return digest >>> 0;
}

/** State machine safety: whoever has applied as many entries, or taken a snapshot of them, is in the same state. */
export class MachineHistory {
  readonly #digests = new Map<Index, number>();

  observe(who: string, { index, digest }: Machine): void {
    const known = this.#digests.get(index);
    if (known === undefined) this.#digests.set(index, digest);
    else if (known !== digest)
      throw new Violation('state machine safety', `the state of ${who} after ${index} is not that of others`);
  }
}
