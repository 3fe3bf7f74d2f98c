import { confChangeOf } from '../core/confchange/change.js';
import type { Config } from '../core/config.js';
import { RaftError } from '../core/errors.js';
import { MemoryStorage } from '../core/log/memory-storage.js';
import type { Storage } from '../core/log/storage.js';
import { RawNode } from '../core/raw-node.js';
import { tolerate } from '../core/testing/cluster.js';
import { deepFreeze } from '../core/testing/deep-freeze.js';
import type { Random } from '../core/testing/random.js';
import {
  type ConfState,
  type Entry,
  type HardState,
  type Index,
  isLocalTarget,
  type Message,
  MsgType,
  type NodeId,
  Snapshot,
  SnapshotMetadata,
} from '../core/types.js';
import { type History, Violation } from './history.js';

export type NodeConfig = Omit<Config, 'id' | 'storage' | 'random' | 'applied'>;

/** The state machine: a digest of all entries in order. */
interface Machine {
  readonly index: Index;
  readonly digest: number;
  readonly confState: ConfState;
}

/** One write, the smallest thing that a crash leaves whole. */
type Write = (disk: MemoryStorage) => void;

/**
 * A node that can crash: what is on disk stays, the rest is gone. Writes that were asked for and are
 * not done may be on disk in part, in their order.
 */
export class SimNode {
  readonly id: NodeId;
  readonly #config: NodeConfig;
  readonly #random: Random;
  readonly #history: History;
  readonly #disk = new MemoryStorage();
  #raw: RawNode | undefined;
  #machine: Machine;
  #appendWork: Message[] = [];
  #applyWork: Message[] = [];

  constructor(id: NodeId, config: NodeConfig, initial: Snapshot, random: Random, history: History) {
    this.id = id;
    this.#config = config;
    this.#random = random;
    this.#history = history;
    if (initial.metadata.index > 0) this.#disk.applySnapshot(deepFreeze(initial));
    this.#machine = machineOf(this.#disk.snapshot());
    this.start();
  }

  /** Undefined while the node is down. */
  get raw(): RawNode | undefined {
    return this.#raw;
  }

  get applied(): Index {
    return this.#machine.index;
  }

  get digest(): number {
    return this.#machine.digest;
  }

  get confState(): ConfState {
    return this.#machine.confState;
  }

  start(): void {
    this.#machine = machineOf(this.#disk.snapshot());
    this.#raw = new RawNode({
      ...this.#config,
      id: this.id,
      random: () => this.#random.next(),
      storage: this.#storage(),
      applied: this.#machine.index,
    });
  }

  crash(): void {
    const pending = this.#appendWork.flatMap((m) => this.#writesOf(m.entries, hardStateOf(m), m.snapshot));
    this.#writeSome(pending);
    this.#raw = undefined;
    this.#appendWork = [];
    this.#applyWork = [];
  }

  /**
   * Does what is ready, and returns what is to be sent. With `crash` the node goes down on the way:
   * before, between or after its writes, and nothing is sent.
   */
  process(crash: boolean): readonly Message[] {
    const raw = this.#raw;
    if (!raw?.hasReady()) return [];
    const ready = deepFreeze(raw.ready());
    this.#history.observeAppend(raw.raft, ready.entries);
    for (const read of ready.readStates) this.#history.observeRead(this.id, read);
    const outgoing: Message[] = [];
    for (const m of ready.messages) {
      if (!isLocalTarget(m.to)) outgoing.push(m);
      else if (m.type === MsgType.MsgStorageAppend) this.#appendWork.push(m);
      else this.#applyWork.push(m);
    }
    if (this.#config.asyncStorageWrites) {
      if (crash) this.crash();
      return crash ? [] : outgoing;
    }
    const writes = this.#writesOf(ready.entries, ready.hardState, ready.snapshot);
    if (crash) {
      this.#writeSome(writes);
      this.crash();
      return [];
    }
    for (const write of writes) write(this.#disk);
    if (ready.snapshot) this.#machine = machineOf(ready.snapshot);
    this.#apply(raw, ready.committedEntries);
    raw.advance();
    return outgoing;
  }

  /** Does the next write of the append thread; returns what is to be sent. */
  processAppend(): readonly Message[] {
    const m = this.#appendWork.shift();
    if (!m) return [];
    for (const write of this.#writesOf(m.entries, hardStateOf(m), m.snapshot)) write(this.#disk);
    if (m.snapshot) this.#machine = machineOf(m.snapshot);
    return this.#respond(m);
  }

  /** Does the next work of the apply thread. */
  processApply(): readonly Message[] {
    const m = this.#applyWork.shift();
    if (!m || !this.#raw) return [];
    this.#apply(this.#raw, m.entries);
    return this.#respond(m);
  }

  /** Writes the state machine to disk and forgets the entries it covers, but for `keep`. */
  compact(keep: number): void {
    const { index, confState } = this.#machine;
    if (index <= this.#disk.snapshot().metadata.index || index > this.#disk.lastIndex()) return;
    this.#disk.createSnapshot(index, confState, encode(this.#machine.digest));
    if (index - keep >= this.#disk.firstIndex()) this.#disk.compact(index - keep);
  }

  #respond(m: Message): readonly Message[] {
    for (const response of m.responses) if (response.to === this.id) tolerate(() => this.#raw?.step(response));
    return m.responses.filter(({ to }) => to !== this.id);
  }

  #writeSome(writes: readonly Write[]): void {
    for (const write of writes.slice(0, this.#random.below(writes.length + 1))) write(this.#disk);
  }

  /** In the order that Ready asks for. */
  #writesOf(
    entries: readonly Entry[],
    hardState: HardState | undefined,
    snapshot: Snapshot | undefined,
  ): readonly Write[] {
    const writes: Write[] = [];
    if (snapshot) writes.push((disk) => disk.applySnapshot(snapshot));
    for (const entry of entries) writes.push((disk) => disk.append([entry]));
    if (hardState)
      writes.push((disk) => {
        this.#history.observeHardState(this.id, hardState);
        disk.setHardState(hardState);
      });
    return writes;
  }

  #apply(raw: RawNode, entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot may have come in between that covers what was handed out before.
      if (entry.index <= this.#machine.index) continue;
      if (entry.index !== this.#machine.index + 1)
        throw new Violation(`${this.id} has applied ${this.#machine.index} and is to apply ${entry.index}`);
      const confState = this.#configure(raw, entry);
      if (!confState) return;
      this.#history.observeApply(this.id, entry);
      this.#machine = { index: entry.index, digest: digestOf(this.#machine.digest, entry), confState };
    }
  }

  /** All nodes apply the same changes to the same configuration, so all refuse the same ones. */
  #configure(raw: RawNode, entry: Entry): ConfState | undefined {
    const change = confChangeOf(entry);
    if (!change) return this.#machine.confState;
    try {
      return raw.applyConfChange(change);
    } catch (error) {
      if (error instanceof RaftError && error.code === 'conf-change-refused') return this.#machine.confState;
      throw error;
    }
  }

  /** Followers get the state machine as it is now, if they can get it now. */
  #storage(): Storage {
    const disk = this.#disk;
    return {
      initialState: () => disk.initialState(),
      entries: (lo, hi, maxSize) => disk.entries(lo, hi, maxSize),
      term: (index) => disk.term(index),
      firstIndex: () => disk.firstIndex(),
      lastIndex: () => disk.lastIndex(),
      snapshot: () => {
        if (this.#random.chance(0.1)) throw new RaftError('snapshot-temporarily-unavailable');
        const { index, digest, confState } = this.#machine;
        const metadata = SnapshotMetadata.create({ index, term: disk.term(index), confState });
        return deepFreeze(Snapshot.create({ data: encode(digest), metadata }));
      },
    };
  }
}

function hardStateOf({ term, vote, commit }: Message): HardState | undefined {
  return term === 0 && vote === 0 && commit === 0 ? undefined : { term, vote, commit };
}

function machineOf({ data, metadata: { index, confState } }: Snapshot): Machine {
  return { index, confState, digest: data.length === 0 ? 0 : Buffer.from(data).readUInt32LE() };
}

function encode(digest: number): Uint8Array {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(digest);
  return data;
}

/** FNV-1a over term, type and payload, begun with what was before. */
function digestOf(before: number, entry: Entry): number {
  let digest = before ^ 0x811c9dc5;
  for (const byte of [entry.term & 0xff, entry.type, ...entry.data]) digest = Math.imul(digest ^ byte, 0x01000193);
  return digest >>> 0;
}
