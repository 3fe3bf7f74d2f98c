import { timingSafeEqual } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { Serial } from '../../../lib/async.js';
import type { Clock } from '../../../lib/clock.js';
import { Distribution } from '../../../lib/distribution.js';
import { internal, messageOf, type SwarmError, unavailable } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import type { NodeCredential } from '../../../proto/rpc/credentials.js';
import type { CallContext } from '../../../proto/rpc/server.js';
import type { Proposer, Standing, StateMachine } from '../../store/proposer.js';
import type { MemoryStorage } from '../core/log/memory-storage.js';
import type { RawNode } from '../core/raw-node.js';
import {
  type Entry,
  EntryType,
  type Index,
  type Message,
  MsgType,
  type NodeId,
  None,
  type SoftState,
  type Term,
} from '../core/types.js';
import { type KeyRing, RaftDisk } from '../disk/raft-disk.js';
import { RaftTransport } from '../transport/transport.js';
import { AddressBook, membersOf } from './address-book.js';
import { Contact } from './contact.js';
import type { RaftFigures } from './figures.js';
import type { Group } from './group.js';
import { Leadership } from './leadership.js';
import { noQuorum } from './no-quorum.js';
import { assemble, type Parts } from './parts.js';
import { PendingProposals } from './pending.js';
import { beginGroup, recover } from './recover.js';
import type { SnapshotPolicy } from './snapshotter.js';
import { Succession } from './succession.js';

export interface RaftMemberOptions {
  /** Where log and snapshots are. */
  readonly folder: string;
  /** What they are encrypted with. */
  readonly keys: KeyRing;
  readonly raftId: NodeId;
  readonly nodeId: string;
  /** Names the group: members of another one, or of one that this was made anew from, are refused. */
  readonly group: string;
  /** host:port at which the others reach this manager. */
  readonly address: string;
  readonly credential: Required<NodeCredential>;
  /**
   * What a disk without a log means: the beginning of a new group, a new member that a leader will send
   * the log to, or one that has lost it. The last is refused: it could vote again where it has voted.
   */
  readonly onEmpty: 'begin' | 'wait' | 'refuse';
  /** The members as they were when this one joined. */
  readonly initialPeers: ReadonlyMap<NodeId, string>;
  /** A member's address by the replicated state. */
  readonly addressOf: (id: NodeId) => string | undefined;
  readonly policy: () => SnapshotPolicy;
  /** Snapshots that are kept besides the one in force. */
  readonly keepOldSnapshots: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
  /** The disk has failed, the log contradicts itself, or another process is this member: must end the process. */
  readonly onFatal: (error: unknown) => void;
}

const PROPOSAL_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Milliseconds after a change of the state until the members' addresses are looked up in it. */
const LOOK = 250;

/**
 * One member of the group of managers: the Raft core with disk, network, clock and state machine.
 * What it is for is in Proposer; who else is a member, in Group.
 */
export class RaftMember implements Proposer {
  readonly #options: RaftMemberOptions;
  readonly #random: () => number;
  readonly #book: AddressBook;
  readonly #leadership: Leadership;
  readonly #pending: PendingProposals;
  readonly #contact = new Contact();
  readonly #succession: Succession;
  readonly #receiving = new Serial();
  readonly #transport: RaftTransport;
  readonly #proposals = new Distribution(PROPOSAL_SECONDS);
  #parts: Parts | undefined;
  #cancelLook: () => void = () => {};
  #looksSoon = false;

  constructor(options: RaftMemberOptions) {
    const { raftId, nodeId, group, address, credential, clock, log, random = Math.random } = options;
    this.#options = options;
    this.#random = random;
    this.#book = new AddressBook(raftId, options.addressOf, options.initialPeers);
    const addressOf = (id: NodeId) => (id === raftId ? address : this.#book.addressOf(id));
    this.#leadership = new Leadership(raftId, addressOf);
    this.#pending = new PendingProposals(clock);
    const input = (change: (raw: RawNode) => void) => this.#parts?.engine.input(change);
    this.#succession = new Succession({ leadership: this.#leadership, clock, random, input });
    this.#transport = new RaftTransport({
      self: { raftId, nodeId, group, address },
      credential,
      log,
      clock,
      random,
      onMessages: (messages) => this.#parts?.engine.step(messages),
      onSnapshot: (message, chunks) => this.#receiving.run(() => this.#receive(message, chunks)),
      onUnreachable: (peer) => input((raw) => raw.reportUnreachable(peer)),
      onConnectionLost: (peer, refused) => this.#connectionLost(peer, refused),
      onPeerAddress: (peer, where) => this.#heard(peer, where),
      onTwin: options.onFatal,
    });
  }

  /** To be added to the server that other managers reach. */
  get handlers() {
    return this.#transport.handlers;
  }

  /** Undefined before the start. */
  get group(): Group | undefined {
    return this.#parts?.group;
  }

  async start(machine: StateMachine): Promise<void> {
    const { folder, keys, clock, log, keepOldSnapshots, onFatal, onEmpty, raftId } = this.#options;
    const opened = await RaftDisk.open({ folder, keys, clock, log, keepOldSnapshots, onFatal });
    const { disk, isNew } = opened;
    let { state } = opened;
    if (isNew && onEmpty === 'refuse') {
      // What was begun just now must not be taken for the log at the next start.
      await disk.close();
      await rm(folder, { recursive: true });
      throw logLost(folder);
    }
    if (!state.snapshot && onEmpty === 'begin') state = { ...state, snapshot: await beginGroup(disk, raftId) };
    const parts = this.#assemble(disk, await recover(disk, state, machine), machine);
    this.#parts = parts;
    this.#updatePeers();
    parts.ticks.arm();
    const { voters } = parts.applier.confState;
    const { index } = parts.applier;
    log.info({ folder, index, entries: state.entries.length, voters, term: state.hardState.term }, 'log is open');
    this.#campaignIfAlone(parts);
  }

  /** Resolves when this manager leads. @throws the signal's reason when aborted before */
  untilLeading(signal: AbortSignal): Promise<void> {
    return this.#leadership.until(({ standing }) => standing.leading, signal);
  }

  async propose(payload: Uint8Array): Promise<Index> {
    const parts = this.#parts;
    if (!this.#leadership.standing.leading || !parts) throw this.#notLeading();
    let applied: Promise<Index> | undefined;
    const taken = parts.engine.input((raw) => {
      raw.propose(payload);
      applied = this.#pending.add(raw.raft.log.lastIndex(), raw.raft.term);
    });
    if (!taken || !applied) throw this.#refused(parts);
    const begun = performance.now();
    const index = await applied;
    this.#proposals.observe((performance.now() - begun) / 1000);
    return index;
  }

  figures(): RaftFigures {
    const proposals = this.#proposals.counts();
    if (!this.#parts) return { term: 0, committed: 0, applied: 0, voters: 0, proposals };
    const { raw, applier } = this.#parts;
    const { term, log } = raw.raft;
    return {
      term,
      committed: log.committed,
      applied: applier.index,
      voters: applier.confState.voters.length,
      proposals,
    };
  }

  async barrier(): Promise<void> {
    if (!this.#parts) throw unavailable('the log is not open');
    await this.#parts.reads.barrier();
  }

  standing(): Standing {
    return this.#leadership.standing;
  }

  onStanding(listener: (standing: Standing) => void): () => void {
    return this.#leadership.listen(listener);
  }

  /** Whether the caller proves to be a manager of this group. */
  isPeer(context: CallContext): boolean {
    const secret = context.credential?.managerSecret;
    const ours = this.#options.credential.managerSecret;
    return secret?.length === ours.length && timingSafeEqual(secret, ours);
  }

  /** Why nobody leads, as far as is known here. Names those who are missing: that is what an operator has to mend. */
  noLeader(): SwarmError {
    return noQuorum({ self: this.#options.raftId, members: this.#parts?.group.members() ?? [] });
  }

  async stop(): Promise<void> {
    const parts = this.#parts;
    if (!parts) return;
    await this.#handOver(parts);
    this.#parts = undefined;
    parts.ticks.stop();
    this.#cancelLook();
    this.#succession.stop();
    parts.engine.stop();
    this.#transport.stop();
    parts.reads.stop();
    this.#pending.stop();
    await parts.snapshotter.stop();
    await parts.appender.idle();
    await parts.disk.close();
  }

  #assemble(disk: RaftDisk, storage: MemoryStorage, machine: StateMachine): Parts {
    return assemble({
      ...this.#options,
      disk,
      storage,
      machine,
      random: this.#random,
      leadership: this.#leadership,
      pending: this.#pending,
      contact: this.#contact,
      addressOf: (id) => (id === this.#options.raftId ? this.#options.address : this.#book.addressOf(id)),
      peers: () => this.#transport.peers,
      send: (messages) => this.#send(messages),
      onTick: () => this.#parts && this.#campaignIfAlone(this.#parts),
      onSoft: (soft, term) => this.#soft(soft, term),
      onApplied: (entry) => this.#applied(entry),
      onReplaced: () => {
        this.#updatePeers();
        this.#lookSoon();
      },
      noQuorum: () => this.noLeader(),
    });
  }

  /** Nobody else could lead, so there is nothing to wait for. */
  #campaignIfAlone({ applier, engine }: Parts): void {
    const { voters, votersOutgoing } = applier.confState;
    const alone = voters.length === 1 && voters[0] === this.#options.raftId && votersOutgoing.length === 0;
    if (alone && this.#leadership.lead === None) engine.input((raw) => raw.campaign());
  }

  #soft(soft: SoftState, term: Term): void {
    const led = this.#leadership.lead === this.#options.raftId;
    this.#leadership.soft(soft, term);
    const leads = this.#leadership.lead === this.#options.raftId;
    if (led === leads) return;
    this.#contact.clear();
    if (!leads) this.#pending.leadershipLost();
  }

  #applied(entry: Entry): void {
    const parts = this.#parts;
    this.#pending.applied(entry);
    this.#leadership.applied(entry);
    if (!parts) return;
    parts.reads.applied();
    parts.snapshotter.applied();
    this.#lookSoon();
    if (entry.type !== EntryType.EntryNormal) this.#reconfigured(parts);
  }

  #reconfigured(parts: Parts): void {
    const { applier } = parts;
    const members = membersOf(applier.confState);
    for (const id of this.#transport.peers.keys()) if (!members.includes(id)) this.#book.forget(id);
    this.#updatePeers();
    this.#campaignIfAlone(parts);
    const { voters, learners } = applier.confState;
    this.#options.log.info({ voters, learners, index: applier.index }, 'the group of managers is another one now');
  }

  #updatePeers(): void {
    if (this.#parts) this.#transport.setPeers(this.#book.peers(this.#parts.applier.confState));
  }

  /** The state tells addresses, too, and seldom another one. */
  #lookSoon(): void {
    if (this.#looksSoon) return;
    this.#looksSoon = true;
    this.#cancelLook = this.#options.clock.after(LOOK, () => {
      this.#looksSoon = false;
      this.#updatePeers();
      this.#leadership.refresh();
    });
  }

  #heard(peer: NodeId, address: string): void {
    this.#book.heard(peer, address);
    this.#updatePeers();
    this.#leadership.refresh();
  }

  #send(messages: readonly Message[]): void {
    const plain = messages.filter(({ type }) => type !== MsgType.MsgSnap);
    if (plain.length > 0) this.#transport.send(plain);
    for (const message of messages) if (message.type === MsgType.MsgSnap) this.#sendSnapshot(message);
  }

  #sendSnapshot(message: Message): void {
    const parts = this.#parts;
    const { to, snapshot } = message;
    const { log } = this.#options;
    const chunks = snapshot && parts?.snapshotter.stateAt(snapshot.metadata.index);
    const report = (delivered: boolean) => parts?.engine.input((raw) => raw.reportSnapshot(to, delivered));
    if (!chunks) {
      log.warn({ to, index: snapshot?.metadata.index }, 'the state of a snapshot is not there any more');
      // Not from within the round that sends it.
      queueMicrotask(() => report(false));
      return;
    }
    this.#transport.sendSnapshot(message, chunks).then(
      () => report(true),
      (error: unknown) => {
        log.warn({ to, err: error }, `a snapshot was not delivered: ${messageOf(error)}`);
        report(false);
      },
    );
  }

  /** The state first: what the core accepts must be on disk already. */
  async #receive(message: Message, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const parts = this.#parts;
    if (!parts || !message.snapshot) throw unavailable('this manager is not ready for a snapshot');
    const { metadata } = message.snapshot;
    await parts.disk.writeSnapshot(metadata, chunks);
    this.#options.log.info({ peer: message.from, index: metadata.index }, 'received a snapshot from the leader');
    parts.engine.step([message]);
  }

  #connectionLost(peer: NodeId, refused: boolean): void {
    if (!refused || peer === None || peer !== this.#leadership.lead) return;
    this.#options.log.info({ peer }, 'the leader is gone');
    this.#succession.begin();
  }

  async #handOver({ group }: Parts): Promise<void> {
    const { raftId, log } = this.#options;
    const others = group.members().some(({ raftId: id, voter, reachable }) => id !== raftId && voter && reachable);
    if (this.#leadership.lead !== raftId || !others) return;
    try {
      await group.transferLeadership();
    } catch (error) {
      // They elect one without it, only later.
      log.warn({ err: error }, `stopping while leading: ${messageOf(error)}`);
    }
  }

  /** Why a leader does not take a proposal, if it still is one. */
  #refused({ raw }: Parts): SwarmError {
    if (!this.#leadership.standing.leading) return this.#notLeading();
    if (raw.raft.leadTransferee !== None) return unavailable('this manager is handing over the leadership');
    return unavailable('too much waits for a majority of the managers to write it');
  }

  #notLeading(): SwarmError {
    const { leader } = this.#leadership.standing;
    if (leader !== undefined)
      return unavailable(`this manager does not lead the swarm: ${leader} does`, { value: leader });
    return this.noLeader();
  }
}

function logLost(folder: string): SwarmError {
  return internal(`the log of this manager is gone: there is none in ${folder}`, {
    value: folder,
    hint:
      'Restore the folder from a backup. Else remove this node from the swarm on another manager ("tsswarm node rm --force"), ' +
      'delete node.json in the data root here, and join anew.',
  });
}
