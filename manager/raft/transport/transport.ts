import { randomUUID } from 'node:crypto';
import { deferred } from '../../../lib/async.js';
import type { Clock } from '../../../lib/clock.js';
import { alreadyExists, invalidArgument, unavailable } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import {
  type RaftBatch,
  RaftHello,
  RaftTransportService,
  type SnapshotPart,
  SnapshotReceipt,
} from '../../../proto/gen/raft-transport.js';
import { Channel } from '../../../proto/rpc/client.js';
import type { NodeCredential } from '../../../proto/rpc/credentials.js';
import { knock } from '../../../proto/rpc/knock.js';
import type { CallContext, Handlers } from '../../../proto/rpc/server.js';
import { COPY_HINT } from '../../common/copies.js';
import { type Incumbent, Incumbents } from '../../common/incumbents.js';
import type { Message, NodeId } from '../core/types.js';
import { checkCaller } from './hello.js';
import { keepAlive, Link, type PeerState } from './link.js';
import { chunksOf, partsOf } from './snapshot-stream.js';

export interface TransportOptions {
  /** `address` is the host:port at which peers reach this manager. */
  readonly self: { readonly raftId: NodeId; readonly nodeId: string; readonly group: string; readonly address: string };
  readonly credential: Required<NodeCredential>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random?: () => number;
  /** Messages of one peer come in the order of their sending. */
  onMessages(messages: readonly Message[]): void;
  /**
   * Resolves when the snapshot is written and handed to the core. Rejects to refuse it. The chunks
   * throw when it is cut short.
   */
  onSnapshot(message: Message, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Messages to this peer were dropped: reported once per failed attempt, broken stream or full queue. */
  onUnreachable(peer: NodeId): void;
  /**
   * A stream to this peer broke, or could not be opened because its machine answered that nobody
   * listens (`refused`): its process is gone. A peer that is silent, or answers that it does not
   * want the caller, is not lost.
   */
  onConnectionLost(peer: NodeId, refused: boolean): void;
  /**
   * The address that a manager gives for itself, when it is not the one that is dialled or the
   * manager is no peer yet. A peer is dialled there from now on.
   */
  onPeerAddress(peer: NodeId, address: string): void;
  /** Another process is this member, and was it first: nothing may be sent, promised or written here any more. */
  onTwin(error: unknown): void;
}

interface Peer {
  /** As `setPeers` was given it; a peer may have told of a newer one. */
  readonly address: string;
  readonly link: Link;
}

/** What a snapshot's receiver takes at most, in milliseconds, to show that it is there. */
const knockTimeout = 1_000;
/** What a peer has, in milliseconds, to show that it lives when another process says to be it; less than a hello may take. */
const challengePatience = 500;

/**
 * The managers' messages to each other: one long-lived stream to each peer, and one from each.
 * None of the callbacks is called from within a method.
 */
export class RaftTransport {
  readonly #options: TransportOptions;
  readonly #hello: RaftHello;
  readonly #peers = new Map<NodeId, Peer>();
  /** Of the snapshots that are being sent, by receiver. */
  readonly #snapshots = new Map<AbortController, NodeId>();
  readonly #callers: Incumbents<NodeId>;
  #stopped = false;

  /** To be added to an RpcServer. */
  readonly handlers: Handlers<typeof RaftTransportService> = {
    stream: (batches, context) => this.#receive(batches, context),
    snapshot: (parts, context) => this.#receiveSnapshot(parts, context),
  };

  constructor(options: TransportOptions) {
    const { raftId, ...self } = options.self;
    this.#options = options;
    this.#hello = RaftHello.create({ ...self, from: raftId, instance: randomUUID() });
    this.#callers = new Incumbents(options.clock, challengePatience);
  }

  get peers(): ReadonlyMap<NodeId, PeerState> {
    return new Map([...this.#peers].map(([id, { link }]) => [id, link.state]));
  }

  /**
   * All peers, by their addresses (host:port). One that is the same as in the last call does not undo
   * what the peer itself has said since.
   */
  setPeers(addresses: ReadonlyMap<NodeId, string>): void {
    if (this.#stopped) return;
    for (const [id, { link }] of this.#peers) {
      if (addresses.has(id)) continue;
      link.stop();
      this.#peers.delete(id);
      this.#abandonSnapshots((peer) => peer === id);
    }
    for (const [id, address] of addresses) {
      const known = this.#peers.get(id);
      if (known?.address === address) continue;
      known?.link.moveTo(address);
      this.#peers.set(id, { address, link: known?.link ?? this.#newLink(id, address) });
    }
  }

  /** Written in this turn of the event loop. What cannot be is dropped and reported: Raft sends again what matters. */
  send(messages: readonly Message[]): void {
    if (this.#stopped) return;
    let unknown: Set<NodeId> | undefined;
    for (const message of messages) {
      const peer = this.#peers.get(message.to);
      if (peer) peer.link.send(message);
      else unknown = (unknown ?? new Set()).add(message.to);
    }
    if (unknown) queueMicrotask(() => this.#reportUnknown(unknown));
  }

  #reportUnknown(peers: Iterable<NodeId>): void {
    if (!this.#stopped) for (const peer of peers) this.#options.onUnreachable(peer);
  }

  /**
   * Sends a MsgSnap and the state that it stands for, on a connection of its own. Chunks are taken
   * as the receiver reads, each in a turn of its own of the event loop.
   * @throws why it was not delivered: the receiver's refusal, UNAVAILABLE, or what the chunks threw
   */
  async sendSnapshot(message: Message, chunks: Iterable<Uint8Array>): Promise<void> {
    const peer = this.#peers.get(message.to);
    if (this.#stopped || !peer) throw unavailable(`no address is known of Raft member ${message.to}`);
    const { address } = peer.link.state;
    const sending = new AbortController();
    this.#snapshots.set(sending, message.to);
    const channel = new Channel(address, this.#options.credential, keepAlive);
    try {
      await this.#knock(address, sending);
      const { snapshot } = channel.stubs(RaftTransportService);
      await snapshot(partsOf(this.#hello, message, chunks), { signal: sending.signal });
    } catch (error) {
      throw sending.signal.aborted ? sending.signal.reason : error;
    } finally {
      this.#snapshots.delete(sending);
      channel.close();
    }
  }

  async #knock(address: string, sending: AbortController): Promise<void> {
    const silent = () => sending.abort(unavailable(`${address} does not answer`, { value: address }));
    const cancel = this.#options.clock.after(knockTimeout, silent);
    await knock(address, sending.signal).finally(cancel);
  }

  /** Nothing is sent, received or called back from now on. */
  stop(): void {
    this.#stopped = true;
    for (const { link } of this.#peers.values()) link.stop();
    this.#peers.clear();
    this.#abandonSnapshots(() => true);
  }

  #abandonSnapshots(to: (peer: NodeId) => boolean): void {
    for (const [sending, peer] of this.#snapshots)
      if (to(peer)) sending.abort(unavailable(`Raft member ${peer} is no peer of this manager any more`));
  }

  #newLink(peer: NodeId, address: string): Link {
    const { credential, log, clock, random = Math.random } = this.#options;
    return new Link(address, {
      peer,
      hello: this.#hello,
      credential,
      log,
      clock,
      random,
      onUnreachable: () => this.#options.onUnreachable(peer),
      onConnectionLost: (refused) => this.#options.onConnectionLost(peer, refused),
      onTwin: (error) => this.#options.onTwin(error),
    });
  }

  async *#receive(batches: AsyncIterable<RaftBatch>, context: CallContext): AsyncGenerator<RaftHello> {
    const reader = batches[Symbol.asyncIterator]();
    const first: Partial<RaftBatch> = (await reader.next()).value ?? {};
    const challenged = deferred<never>();
    // It may be challenged before it is read.
    challenged.promise.catch(() => undefined);
    const end = () =>
      challenged.reject(unavailable('another process says to be this member: it is to show that it lives'));
    const hello = this.#check(first.hello, context);
    const { from, instance } = hello;
    const entered = await this.#callers.enter(from, { instance, peer: context.peer, end });
    if (typeof entered !== 'function') throw twin(hello, context, entered);
    try {
      this.#admit(hello);
      yield this.#hello;
      await Promise.race([this.#read(first.messages ?? [], reader), challenged.promise]);
    } finally {
      entered();
    }
  }

  async #read(first: readonly Message[], reader: AsyncIterator<RaftBatch>): Promise<void> {
    let messages = first;
    for (;;) {
      if (this.#stopped) throw unavailable('this manager is stopping');
      if (messages.length > 0) this.#options.onMessages(messages);
      const next = await reader.next();
      if (next.done) return;
      messages = next.value.messages;
    }
  }

  async #receiveSnapshot(parts: AsyncIterable<SnapshotPart>, context: CallContext): Promise<SnapshotReceipt> {
    const reader = parts[Symbol.asyncIterator]();
    const first: Partial<SnapshotPart> = (await reader.next()).value ?? {};
    const hello = this.#check(first.hello, context);
    const rival = await this.#callers.rival(hello.from, hello.instance);
    if (rival) throw twin(hello, context, rival);
    this.#admit(hello);
    if (!first.message) throw invalidArgument('a snapshot begins with its message');
    await this.#options.onSnapshot(first.message, chunksOf(reader));
    return SnapshotReceipt.create();
  }

  #check(claimed: RaftHello | undefined, context: CallContext): RaftHello {
    if (this.#stopped) throw unavailable('this manager is stopping');
    const { self, credential } = this.#options;
    return checkCaller(claimed, context, { ...self, managerSecret: credential.managerSecret });
  }

  #admit(hello: RaftHello): void {
    const link = this.#peers.get(hello.from)?.link;
    if (link?.state.address !== hello.address) {
      link?.moveTo(hello.address);
      this.#options.onPeerAddress(hello.from, hello.address);
    }
    link?.peerCalled();
  }
}

function twin({ from, nodeId, address }: RaftHello, { peer }: CallContext, rival: Incumbent) {
  return alreadyExists(
    `node ${nodeId} (Raft member ${from}) runs already, and calls from ${rival.peer}: this one, at ${address}, calls from ${peer} as the same`,
    { value: nodeId, hint: COPY_HINT },
  );
}
