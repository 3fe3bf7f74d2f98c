import { type AnyConfChange, asV2, confChangeEntry } from './confchange/change.js';
import type { Config } from './config.js';
import { entriesSize } from './entries.js';
import { InvariantError, RaftError } from './errors.js';
import { applyConfChange } from './membership.js';
import { newRaft } from './new-raft.js';
import type { Raft } from './raft.js';
import { mustSync, type Ready, sameHardState, sameSoftState } from './ready.js';
import { type Status, statusOf } from './status.js';
import { step } from './step.js';
import { storageAppend, storageAppendResponse, storageApply, storageApplyResponse } from './storage-messages.js';
import { tick, ticksToNext } from './tick.js';
import {
  type ConfState,
  type Entry,
  EntryType,
  type HardState,
  isLocalTarget,
  type Message,
  MsgType,
  message,
  type NodeId,
  type SoftState,
} from './types.js';

/**
 * One member of a Raft group, as a pure state machine: messages, proposals and ticks go in, Ready
 * comes out, and whoever runs it writes, sends and applies what Ready says. The same inputs always
 * give the same outputs. Whatever goes in or comes out is never changed afterwards, by either side.
 */
export class RawNode {
  /** The state itself, for tests and simulators to look at. */
  readonly raft: Raft;
  readonly #async: boolean;
  #previousSoftState: SoftState;
  #previousHardState: HardState;
  /** What this node is to hear when the Ready that was handed out is done. */
  #stepsOnAdvance: readonly Message[] = [];

  /** @throws RaftError (invalid-config); InvariantError when storage contradicts itself */
  constructor(config: Config) {
    this.raft = newRaft(config);
    this.#async = this.raft.config.asyncStorageWrites;
    this.#previousSoftState = this.raft.softState;
    this.#previousHardState = this.raft.hardState;
  }

  /** Time passes by one tick: at some point this elects, or sends heartbeats. */
  tick(): void {
    tick(this.raft);
  }

  /** Ticks until one may do more than be counted, 1 at least; infinite when none will before another input. */
  get ticksToNext(): number {
    return ticksToNext(this.raft);
  }

  /** Starts an election now, where this node may. */
  campaign(): void {
    step(this.raft, message({ type: MsgType.MsgHup }));
  }

  /** Whether it was committed shows when the entry, or another at its index, is applied. @throws RaftError (proposal-dropped) */
  propose(data: Uint8Array): void {
    this.#propose({ term: 0, index: 0, type: EntryType.EntryNormal, data });
  }

  /**
   * One change at a time: a second one, while the first is not applied, becomes an empty entry, as
   * does one that does not fit the configuration. @throws RaftError (proposal-dropped)
   */
  proposeConfChange(change: AnyConfChange): void {
    this.#propose(confChangeEntry(change));
  }

  #propose(entry: Entry): void {
    step(this.raft, message({ type: MsgType.MsgProp, from: this.raft.id, entries: [entry] }));
  }

  /**
   * To be called with each committed change, in order; returns the configuration from now on.
   *
   * Undefined when a snapshot has replaced the log since the entry was handed out: its configuration
   * is a later one already. Neither this entry nor any other handed out before must then be applied,
   * though asynchronous storage still has to respond for them.
   * @throws RaftError (conf-change-refused) for a change that cannot be applied to this configuration,
   * on every node alike; nothing has changed then
   */
  applyConfChange(change: AnyConfChange): ConfState | undefined {
    if (this.raft.log.hasNextOrInProgressSnapshot()) return undefined;
    return applyConfChange(this.raft, asV2(change));
  }

  /** A message from a peer or from storage. @throws RaftError (local-message, peer-not-found, proposal-dropped) */
  step(m: Message): void {
    if (!isLocalTarget(m.from)) {
      if (isLocalMessage(m.type)) throw new RaftError('local-message');
      if (isResponse(m.type) && !this.raft.tracker.progress.has(m.from)) throw new RaftError('peer-not-found');
    }
    step(this.raft, m);
  }

  hasReady(): boolean {
    const r = this.raft;
    return (
      !sameSoftState(r.softState, this.#previousSoftState) ||
      !sameHardState(r.hardState, this.#previousHardState) ||
      r.log.nextUnstableSnapshot() !== undefined ||
      r.messages.length > 0 ||
      r.messagesAfterAppend.length > 0 ||
      r.log.hasNextUnstableEntries() ||
      r.log.hasNextCommittedEntries(this.#appliesUnstable) ||
      r.readStates.length > 0
    );
  }

  /** What is to be done; each thing is handed out once. */
  ready(): Ready {
    const ready = this.#nextReady();
    this.#accept(ready);
    return ready;
  }

  #nextReady(): Ready {
    const r = this.raft;
    const { softState, hardState } = r;
    const entries = r.log.nextUnstableEntries();
    const committedEntries = r.log.nextCommittedEntries(this.#appliesUnstable);
    const newHardState = sameHardState(hardState, this.#previousHardState) ? undefined : hardState;
    const snapshot = r.log.nextUnstableSnapshot();
    const messages = [...r.messages];
    if (this.#async) {
      const append = storageAppend(r, { entries, hardState: newHardState, snapshot });
      if (append) messages.push(append);
      if (committedEntries.length > 0) messages.push(storageApply(r, committedEntries));
    } else {
      for (const m of r.messagesAfterAppend) if (m.to !== r.id) messages.push(m);
    }
    return {
      softState: sameSoftState(softState, this.#previousSoftState) ? undefined : softState,
      hardState: newHardState,
      readStates: r.readStates,
      entries,
      snapshot,
      committedEntries,
      messages,
      mustSync: mustSync(hardState, this.#previousHardState, entries.length),
    };
  }

  #accept(ready: Ready): void {
    const r = this.raft;
    if (ready.softState) this.#previousSoftState = ready.softState;
    if (ready.hardState) this.#previousHardState = ready.hardState;
    r.readStates = [];
    if (!this.#async) this.#stepsOnAdvance = this.#stepsAfter(ready);
    r.messages = [];
    r.messagesAfterAppend = [];
    r.log.acceptUnstable();
    const last = ready.committedEntries.at(-1);
    if (last) r.log.acceptApplying(last.index, entriesSize(ready.committedEntries), this.#appliesUnstable);
  }

  /** What storage would respond, had it been asked by message. */
  #stepsAfter(ready: Ready): readonly Message[] {
    if (this.#stepsOnAdvance.length > 0) throw new InvariantError('two accepted Ready structs without call to Advance');
    const r = this.raft;
    const steps = r.messagesAfterAppend.filter(({ to }) => to === r.id);
    const written = storageAppendResponse(r, ready.snapshot);
    if (written) steps.push(written);
    if (ready.committedEntries.length > 0) steps.push(storageApplyResponse(r, ready.committedEntries));
    return steps;
  }

  /** The last Ready is done. Not with asynchronous storage writes. */
  advance(): void {
    if (this.#async) throw new InvariantError('advance() must not be called with asynchronous storage writes');
    const steps = this.#stepsOnAdvance;
    this.#stepsOnAdvance = [];
    for (const m of steps) step(this.raft, m);
  }

  /** A message to this node could not be sent. */
  reportUnreachable(id: NodeId): void {
    step(this.raft, message({ type: MsgType.MsgUnreachable, from: id }));
  }

  /** Whether the snapshot for this node was delivered; without a report the leader waits for it for good. */
  reportSnapshot(id: NodeId, delivered: boolean): void {
    step(this.raft, message({ type: MsgType.MsgSnapStatus, from: id, reject: !delivered }));
  }

  /** Asks that this node lead. Sent to the leader from wherever it is asked; it may fail silently. */
  transferLeader(transferee: NodeId): void {
    step(this.raft, message({ type: MsgType.MsgTransferLeader, from: transferee }));
  }

  /** Makes a follower that knows its leader to be gone ready for an election. */
  forgetLeader(): void {
    step(this.raft, message({ type: MsgType.MsgForgetLeader }));
  }

  /**
   * Asks for the index that a linearizable read must wait for; it comes as a ReadState with this
   * context, which must be unique within the group. Requests can be lost: ask again.
   */
  readIndex(context: Uint8Array): void {
    const entry: Entry = { term: 0, index: 0, type: EntryType.EntryNormal, data: context };
    step(this.raft, message({ type: MsgType.MsgReadIndex, entries: [entry] }));
  }

  status(): Status {
    return statusOf(this.raft);
  }

  /** Storage written by message may fall behind: only what it reports as written is applied. */
  get #appliesUnstable(): boolean {
    return !this.#async;
  }
}

const localMessages: ReadonlySet<MsgType> = new Set([
  MsgType.MsgHup,
  MsgType.MsgBeat,
  MsgType.MsgUnreachable,
  MsgType.MsgSnapStatus,
  MsgType.MsgCheckQuorum,
  MsgType.MsgStorageAppend,
  MsgType.MsgStorageAppendResp,
  MsgType.MsgStorageApply,
  MsgType.MsgStorageApplyResp,
]);

const responses: ReadonlySet<MsgType> = new Set([
  MsgType.MsgAppResp,
  MsgType.MsgVoteResp,
  MsgType.MsgHeartbeatResp,
  MsgType.MsgUnreachable,
  MsgType.MsgReadIndexResp,
  MsgType.MsgPreVoteResp,
  MsgType.MsgStorageAppendResp,
  MsgType.MsgStorageApplyResp,
]);

/** Only the node itself may say these to itself. */
export function isLocalMessage(type: MsgType): boolean {
  return localMessages.has(type);
}

export function isResponse(type: MsgType): boolean {
  return responses.has(type);
}
