import { confChangeOf } from '../core/confchange/change.js';
import type { Config } from '../core/config.js';
import { RaftError } from '../core/errors.js';
import type { Storage } from '../core/log/storage.js';
import type { RaftLogger } from '../core/logger.js';
import type { Raft } from '../core/raft.js';
import { RawNode } from '../core/raw-node.js';
import { mustSync, type Ready } from '../core/ready.js';
import type { Writes } from '../core/storage-messages.js';
import { tolerate } from '../core/testing/cluster.js';
import { deepFreeze } from '../core/testing/deep-freeze.js';
import type { Random } from '../core/testing/random.js';
import {
  type ConfState,
  type Entry,
  type Index,
  isLocalTarget,
  type Message,
  MsgType,
  type NodeId,
  type Snapshot,
} from '../core/types.js';
import { SimDisk, type Write } from './disk.js';
import type { Observed } from './history.js';
import { afterEntry, dataOf, type Machine, machineOf, snapshotOf } from './machine.js';
import { observeHardState } from './promises.js';
import { Violation } from './violation.js';
import type { Witness } from './witness.js';

export type NodeConfig = Omit<Config, 'id' | 'storage' | 'random' | 'applied'>;

export interface Surroundings {
  readonly config: NodeConfig;
  readonly random: Random;
  readonly witness: Witness;
  /** Is told what goes on. */
  readonly trace: ((line: string) => void) | undefined;
}

/**
 * A process that runs one member as Ready says, on a disk of its own. It can crash anywhere, be
 * stopped and go on with all it had, and wait for its disk.
 */
export class SimNode implements Observed {
  readonly id: NodeId;
  readonly disk: SimDisk;
  readonly counts = { crashes: 0, pauses: 0, changes: 0, restores: 0 };
  readonly #around: Surroundings;
  #raw: RawNode | undefined;
  #machine: Machine;
  /** What is being done. With asynchronous storage writes it is in the two queues instead. */
  #ready: Ready | undefined;
  #appendWork: Message[] = [];
  #applyWork: Message[] = [];
  #crashesAfterSend = false;
  #paused = false;
  #onResume: ((raw: RawNode) => void)[] = [];
  /** While this holds, no write is done. */
  diskStalled = false;
  /** While this holds, the apply thread does nothing. */
  applyStalled = false;

  constructor(id: NodeId, initial: Snapshot, around: Surroundings) {
    this.id = id;
    this.#around = around;
    this.disk = new SimDisk(initial);
    this.#machine = machineOf(this.disk.written.snapshot());
    this.start();
  }

  /** Undefined while the node is down. */
  get raft(): Raft | undefined {
    return this.#raw?.raft;
  }

  get paused(): boolean {
    return this.#paused;
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

  /** Whether there is something to do, and nothing that keeps the node from doing it. */
  get busy(): boolean {
    if (!this.#raw || this.#paused) return false;
    if ((this.#ready || this.#appendWork.length > 0) && !this.diskStalled) return true;
    if (this.#ready) return false;
    return (this.#applyWork.length > 0 && !this.applyStalled) || this.#raw.hasReady();
  }

  start(): void {
    this.#become(machineOf(this.disk.written.snapshot()));
    this.#raw = new RawNode({
      ...this.#around.config,
      ...(this.#around.trace && { logger: loggerTo(this.#around.trace) }),
      id: this.id,
      random: () => this.#around.random.next(),
      storage: this.#storage(),
      applied: this.#machine.index,
    });
    this.#observe(this.#raw);
    this.#around.witness.observeConfiguration(this.#raw.raft, this.#machine);
  }

  /** Writes that were under way may be done in part. */
  crash(): void {
    if (!this.#raw) return;
    this.counts.crashes++;
    this.#around.trace?.(`${this.id} crashes`);
    const works = this.#ready ? [this.#ready] : this.#appendWork.map(writesOfMessage);
    this.disk.crash(
      works.flatMap((work) => this.#writesOf(work)),
      this.#around.random,
    );
    this.#raw = undefined;
    this.#ready = undefined;
    this.#appendWork = [];
    this.#applyWork = [];
    this.#onResume = [];
    this.#paused = false;
    this.#crashesAfterSend = false;
  }

  /** Lets the node crash when it has next sent something, before it goes on. */
  crashAfterSend(): void {
    this.#crashesAfterSend = this.#raw !== undefined;
  }

  /** As by SIGSTOP: nothing runs, and nothing is lost but time. */
  pause(): void {
    if (!this.#raw || this.#paused) return;
    this.#paused = true;
    this.counts.pauses++;
    this.#around.trace?.(`${this.id} is stopped`);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#around.trace?.(`${this.id} goes on`);
    const waiting = this.#onResume;
    this.#onResume = [];
    for (const action of waiting) this.use(action);
  }

  /** Runs, with nothing in its way. */
  recover(): void {
    this.diskStalled = false;
    this.applyStalled = false;
    this.#crashesAfterSend = false;
    if (this.#raw) this.resume();
    else this.start();
  }

  /** Has the running node do something; it may refuse. */
  use(action: (raw: RawNode) => void): void {
    const raw = this.#running();
    if (!raw) return;
    tolerate(() => action(raw));
    this.#observe(raw);
  }

  /** The same, once it is running again if it is stopped. */
  notify(action: (raw: RawNode) => void): void {
    if (this.#paused) this.#onResume.push(action);
    else this.use(action);
  }

  /** Takes what is ready, or goes on with what was taken; returns what is sent. */
  process(): readonly Message[] {
    const raw = this.#running();
    if (!raw) return [];
    if (!this.#ready) {
      if (!raw.hasReady()) return [];
      const ready = deepFreeze(raw.ready());
      this.#around.witness.observeReady(raw.raft, ready);
      if (this.#around.config.asyncStorageWrites) return this.#handOut(ready);
      this.#ready = ready;
      // Messages may come in while it waits for the disk.
      if (this.#around.random.chance(0.3)) return [];
    }
    return this.diskStalled ? [] : this.#finish(raw, this.#ready);
  }

  #handOut({ messages }: Ready): readonly Message[] {
    for (const m of messages) {
      if (m.type === MsgType.MsgStorageAppend) this.#appendWork.push(m);
      else if (m.type === MsgType.MsgStorageApply) this.#applyWork.push(m);
    }
    return this.#sent(messages.filter(({ to }) => !isLocalTarget(to)));
  }

  #finish(raw: RawNode, ready: Ready): readonly Message[] {
    this.#write(ready, ready.mustSync);
    const sent = this.#sent(ready.messages);
    this.#ready = undefined;
    if (this.#crashesAfterSend) {
      this.crash();
      return sent;
    }
    this.#apply(raw, ready.committedEntries);
    raw.advance();
    this.#observe(raw);
    if (ready.snapshot) this.#around.witness.observeConfiguration(raw.raft, this.#machine);
    return sent;
  }

  /** Does the next write of the append thread; returns what is sent. */
  processAppend(): readonly Message[] {
    const raw = this.#running();
    const m = raw && !this.diskStalled ? this.#appendWork.shift() : undefined;
    if (!raw || !m) return [];
    const { hardState: before } = this.disk.written.initialState();
    const writes = writesOfMessage(m);
    this.#write(writes, mustSync(writes.hardState ?? before, before, m.entries.length));
    const sent = this.#respond(m);
    if (m.snapshot) this.#around.witness.observeConfiguration(raw.raft, this.#machine);
    return sent;
  }

  /** Does the next work of the apply thread. */
  processApply(): readonly Message[] {
    const raw = this.#running();
    const m = raw && !this.applyStalled ? this.#applyWork.shift() : undefined;
    if (!raw || !m) return [];
    this.#apply(raw, m.entries);
    return this.#respond(m);
  }

  /** Writes the state machine to disk and forgets the entries it covers, but for `keep`. */
  compact(keep: number): void {
    const { index, confState, digest } = this.#machine;
    const { written } = this.disk;
    if (!this.#running() || index <= written.snapshot().metadata.index || index > written.lastIndex()) return;
    this.disk.write([
      (storage) => storage.createSnapshot(index, confState, dataOf(digest)),
      (storage) => {
        if (index - keep >= storage.firstIndex()) storage.compact(index - keep);
      },
    ]);
    this.disk.sync();
  }

  #running(): RawNode | undefined {
    return this.#paused ? undefined : this.#raw;
  }

  #observe(raw: RawNode): void {
    this.#around.witness.log.observe(raw.raft);
  }

  #become(machine: Machine): void {
    this.#machine = machine;
    this.#around.witness.observeMachine(this.id, machine);
  }

  #write(writes: Writes, sync: boolean): void {
    this.disk.write(this.#writesOf(writes));
    // A snapshot is a file of its own, and always synced.
    if (sync || writes.snapshot) this.disk.sync();
    if (!writes.snapshot) return;
    this.counts.restores++;
    this.#become(machineOf(writes.snapshot));
  }

  #sent(messages: readonly Message[]): readonly Message[] {
    this.#around.witness.observeSend(messages, this);
    return messages;
  }

  #respond(m: Message): readonly Message[] {
    for (const response of m.responses) if (response.to === this.id) this.use((raw) => raw.step(response));
    return this.#sent(m.responses.filter(({ to }) => to !== this.id));
  }

  /** In the order that Ready asks for. */
  #writesOf({ entries, hardState, snapshot }: Writes): readonly Write[] {
    const { log } = this.#around.witness;
    const writes: Write[] = [];
    if (snapshot)
      writes.push((storage) => {
        log.observeRestore(this.id, storage, snapshot);
        storage.applySnapshot(snapshot);
      });
    for (const entry of entries)
      writes.push((storage) => {
        log.observeWrite(this.id, storage, entry);
        storage.append([entry]);
      });
    if (hardState)
      writes.push((storage) => {
        observeHardState(this.id, storage, hardState);
        storage.setHardState(hardState);
      });
    return writes;
  }

  #apply(raw: RawNode, entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot may have come in between that covers what was handed out before.
      if (entry.index <= this.#machine.index) continue;
      if (entry.index !== this.#machine.index + 1)
        throw new Violation(
          'state machine safety',
          `${this.id} has applied ${this.#machine.index} and is to apply ${entry.index}`,
        );
      const confState = this.#configure(raw, entry);
      if (!confState) return;
      this.#around.witness.observeApply(this.id, entry);
      const changed = confState !== this.#machine.confState;
      this.#become(afterEntry(this.#machine, entry, confState));
      if (!changed) continue;
      this.counts.changes++;
      this.#around.witness.observeConfiguration(raw.raft, this.#machine);
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
    } finally {
      this.#observe(raw);
    }
  }

  /** Followers get the state machine as it is now, if they can get it now. */
  #storage(): Storage {
    const { written } = this.disk;
    return {
      initialState: () => written.initialState(),
      entries: (lo, hi, maxSize) => written.entries(lo, hi, maxSize),
      term: (index) => written.term(index),
      firstIndex: () => written.firstIndex(),
      lastIndex: () => written.lastIndex(),
      snapshot: () => {
        if (this.#around.random.chance(0.1)) throw new RaftError('snapshot-temporarily-unavailable');
        return snapshotOf(this.#machine, written.term(this.#machine.index));
      },
    };
  }
}

function writesOfMessage({ entries, snapshot, term, vote, commit }: Message): Writes {
  // All zero stands for none.
  const hardState = term === 0 && vote === 0 && commit === 0 ? undefined : { term, vote, commit };
  return { entries, snapshot, hardState };
}

function loggerTo(trace: (line: string) => void): RaftLogger {
  return { debug: trace, info: trace, warn: trace, error: trace };
}
