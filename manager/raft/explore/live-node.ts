import { asV2, confChangeOf } from '../core/confchange/change.js';
import type { Config } from '../core/config.js';
import { RaftError } from '../core/errors.js';
import { MemoryStorage } from '../core/log/memory-storage.js';
import type { Storage } from '../core/log/storage.js';
import type { JointConfig } from '../core/quorum/joint.js';
import { RawNode } from '../core/raw-node.js';
import { step } from '../core/step.js';
import { deepFreeze } from '../core/testing/deep-freeze.js';
import {
  type ConfState,
  type Entry,
  type HardState,
  type Index,
  type Message,
  MsgType,
  message,
  type NodeId,
  Snapshot,
  SnapshotMetadata,
  type SoftState,
} from '../core/types.js';
import type { Action, StepAction } from './action.js';
import type { Environment } from './environment.js';
import { encodeContent, entryKey, type Machine, machineOf, messageKey } from './machine.js';

/** Logs begin with a snapshot at this index and term 1, which holds the configuration. */
export const begin = 1;

export interface NodeSetup {
  readonly config: Partial<Config>;
  /** The responses to the node's own writes are an action of their own, not one with the write. */
  readonly acknowledgesLater: boolean;
  readonly environment: Environment;
}

/** The commit index moved to `index` in a configuration. */
export interface Commit {
  readonly index: Index;
  readonly voters: JointConfig;
}

/** What an action had for the outside. */
export interface Done {
  readonly sent: readonly Message[];
  readonly commits: readonly Commit[];
  /** How many writes the first Ready asked for, where storage is synchronous: a crash may come between them. */
  readonly writes: number;
}

/** The smallest thing that a crash leaves whole. */
type Write = { readonly snapshot: Snapshot } | { readonly entry: Entry } | { readonly hardState: HardState };

/**
 * The real core with a disk and a state machine.
 *
 * Every Ready is handled at once. With asynchronous storage what it asks for is done by actions.
 */
export class LiveNode {
  readonly id: NodeId;
  readonly disk = new MemoryStorage();
  raw: RawNode;
  machine: Machine;
  /** MsgStorageAppends that are not done, MsgStorageApplys that are not, responses to itself. */
  appends: Message[] = [];
  applies: Message[] = [];
  acknowledgements: Message[] = [];
  /** What the last Ready said: the next one tells only what differs. */
  softState: SoftState;
  hardState: HardState;
  readonly #setup: NodeSetup;
  #sent: Message[] = [];
  #commits: Commit[] = [];

  /** A node that `initial` does not name begins with nothing. */
  constructor(id: NodeId, setup: NodeSetup, initial: ConfState) {
    this.id = id;
    this.#setup = setup;
    if (initial.voters.includes(id) || initial.learners.includes(id)) {
      const metadata = SnapshotMetadata.create({ index: begin, term: 1, confState: initial });
      this.disk.applySnapshot(deepFreeze(Snapshot.create({ metadata })));
      this.disk.setHardState({ term: 1, vote: 0, commit: begin });
    }
    this.machine = machineOf(this.disk.snapshot());
    this.raw = this.#start();
    this.softState = this.raw.raft.softState;
    this.hardState = this.raw.raft.hardState;
  }

  get async(): boolean {
    return this.#setup.config.asyncStorageWrites === true;
  }

  /** @throws InvariantError, or any error but a refusal, when the core is broken */
  do(action: Action): Done {
    this.#sent = [];
    this.#commits = [];
    this.#act(action);
    const writes = this.async ? 0 : this.pendingWrites().length;
    while (this.raw.hasReady()) this.#handleReady();
    return { sent: this.#sent, commits: this.#commits, writes };
  }

  /** Writes that were asked for and are not done: a crash keeps some of them, from the first on. */
  pendingWrites(): readonly Write[] {
    if (this.async) return this.appends.flatMap((m) => writesOf(m.entries, hardStateOf(m), m.snapshot));
    const { log, hardState } = this.raw.raft;
    const { term, vote, commit } = this.hardState;
    const changed = hardState.term !== term || hardState.vote !== vote || hardState.commit !== commit;
    return writesOf(log.nextUnstableEntries(), changed ? hardState : undefined, log.nextUnstableSnapshot());
  }

  #act(action: Action): void {
    const { raft } = this.raw;
    switch (action.kind) {
      case 'receive':
        this.#step(() => this.raw.step(this.#setup.environment.delivers(action.message)));
        break;
      case 'campaign':
        this.#step(() => this.raw.campaign());
        break;
      case 'beat':
        this.#step(() => step(raft, message({ type: MsgType.MsgBeat, from: this.id })));
        break;
      case 'propose':
        this.#step(() => this.raw.propose(Buffer.from(action.payload)));
        break;
      case 'change':
        this.#step(() => this.raw.proposeConfChange({ version: 2, change: action.change }));
        break;
      case 'write':
        this.#write();
        break;
      case 'acknowledge':
        this.#acknowledge();
        break;
      case 'apply':
        this.#apply();
        break;
      case 'compact':
        this.#compact();
        break;
      case 'crash':
        this.#crash(action.writes, action.during);
        break;
    }
  }

  /** What the core refuses is no failure. */
  #step(input: () => void): void {
    const { log, tracker } = this.raw.raft;
    const before = log.committed;
    try {
      input();
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
    }
    if (log.committed > before) this.#commits.push({ index: log.committed, voters: tracker.config.voters });
  }

  #handleReady(): void {
    const ready = this.raw.ready();
    this.softState = ready.softState ?? this.softState;
    this.hardState = ready.hardState ?? this.hardState;
    for (const m of ready.messages) {
      if (m.type === MsgType.MsgStorageAppend) this.#queueAppend(m);
      else if (m.type === MsgType.MsgStorageApply) this.applies.push(m);
      else this.#sent.push(m);
    }
    if (this.async) {
      // Entries without a change of configuration: nobody can see when they are applied.
      while (this.applies[0]?.entries.every((entry) => confChangeOf(entry) === undefined)) this.#apply();
      return;
    }
    this.#writeAll(writesOf(ready.entries, ready.hardState, ready.snapshot));
    this.#applyEntries(ready.committedEntries);
    this.#step(() => this.raw.advance());
  }

  /**
   * What writes nothing waits for what is written before it, and for nothing more: it is done with it.
   * To say a thing twice is no more than to say it once, as a message that was sent may arrive twice.
   */
  #queueAppend(m: Message): void {
    const { environment } = this.#setup;
    const early = m.responses.filter((response) => response.to !== this.id && environment.sendsEarly(response));
    this.#sent.push(...early);
    const append = early.length === 0 ? m : { ...m, responses: m.responses.filter((r) => !early.includes(r)) };
    if (writesOf(append.entries, hardStateOf(append), append.snapshot).length > 0) {
      this.appends.push(append);
      return;
    }
    const before = this.appends.pop();
    if (!before) {
      this.#respond(append);
      return;
    }
    const known = new Set(before.responses.map(messageKey));
    const news = append.responses.filter((response) => !known.has(messageKey(response)));
    this.appends.push({ ...before, responses: [...before.responses, ...news] });
  }

  #write(): void {
    const m = this.appends.shift();
    if (!m) return;
    this.#writeAll(writesOf(m.entries, hardStateOf(m), m.snapshot));
    this.#respond(m);
  }

  #respond(m: Message): void {
    for (const response of m.responses) {
      if (response.to !== this.id) this.#sent.push(response);
      else if (!this.acknowledgements.some((m) => messageKey(m) === messageKey(response)))
        this.acknowledgements.push(response);
    }
    if (!this.#setup.acknowledgesLater) while (this.acknowledgements.length > 0) this.#acknowledge();
  }

  #acknowledge(): void {
    const m = this.acknowledgements.shift();
    if (m) this.#step(() => this.raw.step(m));
  }

  #apply(): void {
    const m = this.applies.shift();
    if (!m) return;
    this.#applyEntries(m.entries);
    for (const response of m.responses) this.#step(() => this.raw.step(response));
  }

  #writeAll(writes: readonly Write[]): void {
    for (const write of writes) {
      if ('snapshot' in write) {
        this.disk.applySnapshot(write.snapshot);
        this.machine = machineOf(write.snapshot);
      } else if ('entry' in write) {
        this.disk.append([write.entry]);
      } else {
        this.disk.setHardState(this.#setup.environment.writes(write.hardState));
      }
    }
  }

  #applyEntries(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot may have come in between that covers what was handed out before.
      if (entry.index <= this.machine.index) continue;
      const confState = this.#configure(entry);
      if (!confState) return;
      const content = [...this.machine.content, entryKey(entry)];
      this.machine = { index: entry.index, content, confState };
    }
  }

  #configure(entry: Entry): ConfState | undefined {
    const change = confChangeOf(entry);
    if (!change) return this.machine.confState;
    let confState: ConfState | undefined = this.machine.confState;
    this.#step(() => {
      confState = this.raw.applyConfChange({ version: 2, change: asV2(change) });
    });
    return confState;
  }

  #compact(): void {
    this.disk.createSnapshot(this.machine.index, this.machine.confState, encodeContent(this.machine));
    this.disk.compact(this.machine.index);
  }

  #crash(writes: number, during: StepAction | undefined): void {
    if (during) this.#act(during);
    this.#writeAll(this.pendingWrites().slice(0, writes));
    this.appends = [];
    this.applies = [];
    this.acknowledgements = [];
    this.machine = machineOf(this.disk.snapshot());
    this.raw = this.#start();
    this.softState = this.raw.raft.softState;
    this.hardState = this.raw.raft.hardState;
  }

  #start(): RawNode {
    return new RawNode({
      electionTick: 10,
      heartbeatTick: 1,
      maxInflightMsgs: 16,
      // Forwarded twice, a proposal would be appended twice, and so without end.
      disableProposalForwarding: true,
      ...this.#setup.config,
      // Time does not pass: elections are actions.
      random: () => 0,
      id: this.id,
      applied: this.machine.index,
      storage: this.#storage(),
    });
  }

  /** Followers that need a snapshot get the state machine as it is. */
  #storage(): Storage {
    const { disk } = this;
    return {
      initialState: () => {
        const { hardState, confState } = disk.initialState();
        return { hardState: this.#setup.environment.recovers(hardState), confState };
      },
      entries: (lo, hi, maxSize) => disk.entries(lo, hi, maxSize),
      term: (index) => disk.term(index),
      firstIndex: () => disk.firstIndex(),
      lastIndex: () => disk.lastIndex(),
      snapshot: () => {
        const { index, confState } = this.machine;
        if (index > disk.lastIndex()) throw new RaftError('snapshot-temporarily-unavailable');
        const metadata = SnapshotMetadata.create({ index, term: disk.term(index), confState });
        return Snapshot.create({ data: encodeContent(this.machine), metadata });
      },
    };
  }
}

function hardStateOf({ term, vote, commit }: Message): HardState | undefined {
  return term === 0 && vote === 0 && commit === 0 ? undefined : { term, vote, commit };
}

/** In the order that Ready asks for. */
function writesOf(
  entries: readonly Entry[],
  hardState: HardState | undefined,
  snapshot: Snapshot | undefined,
): readonly Write[] {
  const writes: Write[] = snapshot ? [{ snapshot }] : [];
  for (const entry of entries) writes.push({ entry });
  if (hardState) writes.push({ hardState });
  return writes;
}
