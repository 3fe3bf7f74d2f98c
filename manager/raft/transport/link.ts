import { Backoff } from '../../../lib/backoff.js';
import type { Clock } from '../../../lib/clock.js';
import { codeOf, messageOf, unavailable } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import { RaftBatch, type RaftHello, RaftTransportService } from '../../../proto/gen/raft-transport.js';
import { Channel } from '../../../proto/rpc/client.js';
import type { NodeCredential } from '../../../proto/rpc/credentials.js';
import { knock, refusesConnections } from '../../../proto/rpc/knock.js';
import type { Message, NodeId } from '../core/types.js';
import { checkAnswer } from './hello.js';
import { Outbox } from './outbox.js';

export interface LinkOptions {
  readonly peer: NodeId;
  readonly hello: RaftHello;
  readonly credential: NodeCredential;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: () => number;
  /** Neither of the two is called from within a method. */
  onUnreachable(): void;
  onConnectionLost(refused: boolean): void;
  /** The peer has this manager's messages from another process already. The link has stopped. */
  onTwin(error: unknown): void;
}

export interface PeerState {
  /** host:port that is dialled. */
  readonly address: string;
  /** Whether messages can be sent to it now. */
  readonly connected: boolean;
  /** Milliseconds since the epoch; when it became connected, or ceased to be. */
  readonly since: number;
  /** Why it is not connected. */
  readonly error?: string;
}

/** What a live peer takes, in milliseconds, to show itself when it is knocked at, and again to answer the hello. */
const answerTimeout = 1_000;
/** A peer that takes no batch for this long, in milliseconds, is dialled anew. */
const stallTimeout = 5_000;
/** When a stream that has lived this long, in milliseconds, breaks, the peer is dialled at once. */
const provenAfter = 1_000;
/** How a peer that went silent is noticed while there is little to send to it. */
export const keepAlive = { interval: 1_000, timeout: 3_000 };

/** The stream to one peer: dialled for as long as the link lives, again whenever it breaks. */
export class Link {
  readonly #options: LinkOptions;
  readonly #backoff: Backoff;
  #address: string;
  #since: number;
  /** When it became connected, by the clock's `monotonic`. */
  #connectedAt = 0;
  #error: string | undefined;
  /** Of the stream, once the peer has answered on it. */
  #outbox: Outbox | undefined;
  /** Ends the attempt, or the stream, that is under way. */
  #attempt = new AbortController();
  /** Ends the knock or the pause that is under way, so that the next attempt begins. */
  #hurry = new AbortController();
  #stopped = false;
  /** Of the messages that are dropped in a row, the first is reported. */
  #reported = false;

  constructor(address: string, options: LinkOptions) {
    this.#address = address;
    this.#options = options;
    this.#since = options.clock.now();
    this.#backoff = new Backoff({ initial: 50, max: 1_000, random: options.random });
    void this.#run();
  }

  get state(): PeerState {
    const state = { address: this.#address, connected: this.#outbox !== undefined, since: this.#since };
    return this.#error === undefined ? state : { ...state, error: this.#error };
  }

  send(message: Message): void {
    const busySince = this.#outbox?.busySince;
    if (busySince !== undefined && this.#options.clock.monotonic() - busySince > stallTimeout)
      this.#attempt.abort(unavailable(`${this.#address} has read nothing for ${stallTimeout / 1000} s`));
    if (this.#outbox?.push(message)) this.#reported = false;
    else this.#reportDropped();
  }

  /**
   * The peer has just shown that it is alive. An attempt that it has answered is left alone: two
   * managers that call each other at the same time would otherwise undo each other's attempts.
   */
  peerCalled(): void {
    this.#backoff.reset();
    this.#hurry.abort();
  }

  moveTo(address: string): void {
    if (address === this.#address) return;
    this.#address = address;
    this.peerCalled();
    this.#attempt.abort(unavailable(`its address is ${address} now`));
  }

  stop(): void {
    this.#stopped = true;
    this.#hurry.abort();
    this.#attempt.abort(unavailable('it is no peer of this manager any more'));
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stopped) {
      const began = clock.monotonic();
      this.#attempt = new AbortController();
      this.#hurry = new AbortController();
      const error: unknown = await this.#talk(this.#attempt, this.#hurry.signal).catch((e: unknown) => e);
      if (this.#stopped) return;
      if (codeOf(error) === 'ALREADY_EXISTS') {
        this.#stopped = true;
        this.#fail(error);
        this.#options.onTwin(error);
        return;
      }
      const proven = this.#outbox !== undefined && clock.monotonic() - this.#connectedAt >= provenAfter;
      this.#fail(error);
      if (proven) this.#backoff.reset();
      const pause = proven ? 0 : this.#backoff.next() - (clock.monotonic() - began);
      // Rejects when the pause is cut short, which is all that there is to it.
      if (pause > 0) await clock.sleep(pause, this.#hurry.signal).catch(() => undefined);
    }
  }

  /** @throws why the attempt failed, or the stream broke */
  async #talk(attempt: AbortController, hurry: AbortSignal): Promise<never> {
    const { credential, clock, hello, peer } = this.#options;
    const address = this.#address;
    await this.#inTime(attempt, knock(address, AbortSignal.any([attempt.signal, hurry])));
    const channel = new Channel(address, credential, keepAlive);
    const outbox = new Outbox(clock);
    try {
      const stream = channel.stubs(RaftTransportService).stream;
      const answers = stream(batchesOf(hello, outbox), { signal: attempt.signal })[Symbol.asyncIterator]();
      const answer = await this.#inTime(attempt, answers.next());
      attempt.signal.throwIfAborted();
      if (answer.done) throw unavailable(`${address} ended the stream without an answer`, { value: address });
      checkAnswer(answer.value, { peer, address, group: hello.group });
      this.#connected(outbox);
      await answers.next();
      attempt.signal.throwIfAborted();
      throw unavailable(`${address} ended the stream`, { value: address });
    } finally {
      attempt.abort();
      outbox.close();
      channel.close();
    }
  }

  async #inTime<T>(attempt: AbortController, work: Promise<T>): Promise<T> {
    const address = this.#address;
    const cancel = this.#options.clock.after(answerTimeout, () =>
      attempt.abort(unavailable(`${address} does not answer`, { value: address })),
    );
    try {
      return await work;
    } finally {
      cancel();
    }
  }

  #connected(outbox: Outbox): void {
    this.#outbox = outbox;
    this.#since = this.#options.clock.now();
    this.#connectedAt = this.#options.clock.monotonic();
    this.#error = undefined;
    this.#reported = false;
    this.#options.log.info({ peer: this.#options.peer, address: this.#address }, 'connected to a manager');
  }

  #fail(error: unknown): void {
    const { log, clock, peer } = this.#options;
    const text = messageOf(error);
    if (text !== this.#error) log.warn({ peer, address: this.#address }, `no connection to a manager: ${text}`);
    this.#error = text;
    this.#reported = false;
    if (this.#outbox) {
      this.#outbox = undefined;
      this.#since = clock.now();
      this.#reportDropped();
      this.#options.onConnectionLost(false);
    } else if (refusesConnections(error)) {
      this.#options.onConnectionLost(true);
    }
  }

  #reportDropped(): void {
    if (this.#reported) return;
    this.#reported = true;
    queueMicrotask(() => {
      if (!this.#stopped) this.#options.onUnreachable();
    });
  }
}

async function* batchesOf(hello: RaftHello, outbox: Outbox): AsyncGenerator<RaftBatch> {
  yield RaftBatch.create({ hello });
  for await (const messages of outbox.batches()) yield { hello: undefined, messages };
}
