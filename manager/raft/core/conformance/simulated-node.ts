import { asV2, confChangeOf } from '../confchange/change.js';
import type { Config } from '../config.js';
import { MemoryStorage } from '../log/memory-storage.js';
import type { Storage } from '../log/storage.js';
import { RawNode } from '../raw-node.js';
import { deepFreeze } from '../testing/deep-freeze.js';
import { type Entry, HardState, type Message, type NodeId, type Snapshot } from '../types.js';

/** One member of the group with its storage, its state machine and its storage threads' work. */
export class SimulatedNode {
  readonly raw: RawNode;
  readonly storage = new MemoryStorage();
  readonly electionTick: number;
  readonly heartbeatTick: number;
  readonly async: boolean;
  /** MsgStorageAppends that are not done. */
  appendWork: Message[] = [];
  /** MsgStorageApplys that are not done. */
  applyWork: Message[] = [];
  /** A snapshot for each applied entry: the state machine appends each payload to its data. */
  readonly #history: Snapshot[];

  /** `initial` with an index other than 0 is where storage and state machine begin. */
  constructor(config: Omit<Config, 'storage'>, initial: Snapshot) {
    if (initial.metadata.index > 0) this.storage.applySnapshot(initial);
    this.#history = [deepFreeze(initial)];
    this.electionTick = config.electionTick;
    this.heartbeatTick = config.heartbeatTick;
    this.async = config.asyncStorageWrites === true;
    this.raw = new RawNode({ ...config, storage: this.#withLatestSnapshot() });
  }

  get id(): NodeId {
    return this.raw.raft.id;
  }

  get latestSnapshot(): Snapshot {
    const latest = this.#history.at(-1);
    if (!latest) throw new Error('a node without history');
    return latest;
  }

  /** Followers that need a snapshot always get the newest state. */
  #withLatestSnapshot(): Storage {
    const { storage } = this;
    return {
      initialState: () => storage.initialState(),
      entries: (lo, hi, maxSize) => storage.entries(lo, hi, maxSize),
      term: (index) => storage.term(index),
      firstIndex: () => storage.firstIndex(),
      lastIndex: () => storage.lastIndex(),
      snapshot: () => this.latestSnapshot,
    };
  }

  /** Writes what a Ready or a MsgStorageAppend asks for. */
  append(hardState: HardState | undefined, entries: readonly Entry[], snapshot: Snapshot | undefined): void {
    if (hardState) this.storage.setHardState(HardState.create(hardState));
    if (!snapshot) {
      this.storage.append(entries);
      return;
    }
    if (entries.length > 0) throw new Error("can't apply snapshot and entries at the same time");
    this.storage.applySnapshot(snapshot);
  }

  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const change = confChangeOf(entry);
      const before = this.latestSnapshot;
      const confState = (change && this.raw.applyConfChange(change)) ?? before.metadata.confState;
      const update = change ? asV2(change).context : entry.data;
      this.#history.push(
        deepFreeze({
          data: Buffer.concat([before.data, update]),
          metadata: { index: entry.index, term: entry.term, confState },
        }),
      );
    }
  }
}
