import { AsyncQueue, deferred } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { messageOf, unavailable } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import {
  type AcknowledgeRequest,
  DispatcherService,
  type HeartbeatRequest,
  type NodeDescription,
  type NodeProblem,
  type SessionMessage,
  type TaskUsage,
} from '../../proto/gen/index.js';
import type { Channel, Stubs } from '../../proto/rpc/client.js';
import { runTogether } from '../group.js';
import { Wake } from '../wake.js';
import { Acknowledger } from './acknowledger.js';
import { type Assignments, applyMessage, noAssignments, SequenceGap } from './assignments.js';
import type { StatusQueue } from './status-queue.js';

/** A message of assignments, as logs name it. */
export interface News {
  readonly sequence: number;
  /** Of the operators' calls that it comes from. */
  readonly changeIds: readonly string[];
}

/** What a session acts on. */
export interface SessionNode {
  /** Of this process: made anew by each. */
  readonly instance: string;
  readonly description: NodeDescription;
  readonly dataPathAddress: string;
  readonly statuses: StatusQueue;
  /**
   * Resolves when the kernel shows what the set asks for, but for `problems()`.
   * @param news which message it is the result of
   */
  onAssignments(assignments: Assignments, news: News): Promise<void>;
  problems(): readonly NodeProblem[];
  /** Of the keys of encrypted networks that the kernel has; 0: none. */
  networkKeyClock(): number;
  /** Time of the key of theirs that another one is needed for before long; 0: none. */
  wornNetworkKey(): number;
  /** Services, by id, whose tasks managers want measured from now on. */
  measure(services: readonly string[]): void;
  /** What those tasks use. A heartbeat waits for it. */
  usage(): readonly TaskUsage[];
  /** What else is done while the session lasts; a failure of it must not end the session. */
  serve(channel: Channel, sessionId: string, signal: AbortSignal): Promise<void>;
}

export interface SessionOptions {
  readonly channel: Channel;
  /** Milliseconds after which the channel pings at the latest. */
  readonly pingPeriod: number;
  readonly node: SessionNode;
  /** Called with the first message of the session, and with every later one. */
  readonly onMessage: (message: SessionMessage) => void;
  /** Of a session to go on with, or empty. */
  readonly resume: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds that a manager has for an answer. */
const RPC_TIMEOUT = 5_000;

/**
 * One session with one manager, from its first message to its end. Its parts run beside each
 * other: a heartbeat waits for none of them.
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #dispatcher: Stubs<typeof DispatcherService>;
  readonly #acknowledger = new Acknowledger();
  #id = '';
  /** From one heartbeat to the next, as the manager has said last. */
  #period = RPC_TIMEOUT;
  readonly #periodChanged = new Wake();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#dispatcher = options.channel.stubs(DispatcherService);
  }

  /** Empty before the manager's first message. */
  get id(): string {
    return this.#id;
  }

  /** What the kernel shows of the sequence that was acknowledged last is something else now. */
  problemsChanged(): void {
    this.#acknowledger.update(this.#shown());
  }

  /**
   * @throws SwarmError when the manager ends it, does not answer, or does not know it
   * (FAILED_PRECONDITION: it is not to be resumed)
   */
  async run(signal: AbortSignal): Promise<void> {
    const opened = deferred<void>();
    await runTogether(signal, [
      (s) => this.#follow(s, () => opened.resolve()),
      async (s) => {
        await this.#answered(opened.promise, s);
        const { node, channel } = this.#options;
        await runTogether(s, [
          (inner) => this.#beat(inner),
          (inner) => this.#receive(inner),
          (inner) => this.#acknowledge(inner),
          (inner) => this.#report(inner),
          (inner) => node.serve(channel, this.#id, inner),
        ]);
      },
    ]);
  }

  async #follow(signal: AbortSignal, opened: () => void): Promise<void> {
    const { node, onMessage, resume, pingPeriod } = this.#options;
    const { description, dataPathAddress, instance } = node;
    for await (const message of this.#dispatcher.session(
      { description, dataPathAddress, sessionId: resume, instance, pingPeriod },
      { signal },
    )) {
      if (message.sessionId !== '') this.#id = message.sessionId;
      this.#setPeriod(message.heartbeatPeriod);
      node.measure(message.measuredServices);
      onMessage(message);
      opened();
    }
    throw unavailable('the manager ended the session');
  }

  #shown() {
    const { node } = this.#options;
    return {
      problems: node.problems(),
      networkKeyClock: node.networkKeyClock(),
      wornNetworkKey: node.wornNetworkKey(),
    };
  }

  /** @throws UNAVAILABLE when the manager took the connection but says nothing */
  async #answered<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
    const silence = deferred<never>();
    const cancel = this.#options.clock.after(RPC_TIMEOUT, () =>
      silence.reject(unavailable(`the manager did not answer within ${RPC_TIMEOUT / 1000} s`)),
    );
    const end = () => silence.reject(signal.reason);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    try {
      return await Promise.race([answer, silence.promise]);
    } finally {
      cancel();
      signal.removeEventListener('abort', end);
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const sessionId = this.#id;
    const { node } = this.#options;
    const beats = new AsyncQueue<HeartbeatRequest>();
    const answers = this.#dispatcher.heartbeat(beats, { signal })[Symbol.asyncIterator]();
    try {
      for (;;) {
        await this.#periodPassed(signal);
        beats.push({ sessionId, usage: node.usage() });
        const answer = await this.#answered(answers.next(), signal);
        if (answer.done) throw unavailable('the manager ended the heartbeats');
        this.#setPeriod(answer.value.period);
      }
    } finally {
      beats.end();
    }
  }

  /** @param period milliseconds; 0: as it was */
  #setPeriod(period: number): void {
    if (period === 0 || period === this.#period) return;
    this.#period = period;
    this.#periodChanged.notify();
  }

  /**
   * Resolves when a period has passed from now, be it a shorter one that is said meanwhile. A longer one holds from the
   * next heartbeat on, for which the manager still waits. @throws the signal's reason
   */
  async #periodPassed(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const begun = clock.monotonic();
    let period = this.#period;
    for (let left = period; left > 0 && !signal.aborted; left = begun + period - clock.monotonic()) {
      const cancel = clock.after(left, () => this.#periodChanged.notify());
      await this.#periodChanged.wait(signal);
      cancel();
      period = Math.min(period, this.#period);
    }
    signal.throwIfAborted();
  }

  /** Takes assignments; a stream with a gap is closed and another one opened. */
  async #receive(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#receiveStream(signal);
      } catch (error) {
        if (!(error instanceof SequenceGap)) throw error;
        this.#options.log.warn({ session: this.#id }, error.message);
      }
    }
  }

  async #receiveStream(signal: AbortSignal): Promise<void> {
    let assignments = noAssignments;
    let sequence: number | undefined;
    for await (const message of this.#dispatcher.assignments({ sessionId: this.#id }, { signal })) {
      assignments = applyMessage(assignments, sequence, message);
      sequence = message.resultsIn;
      this.#apply(assignments, { sequence, changeIds: message.changeIds });
    }
    throw unavailable('the manager ended the assignments');
  }

  /** Does not wait: the next message may come before the kernel shows this one. */
  #apply(assignments: Assignments, news: News): void {
    const { node, log } = this.#options;
    const { sequence } = news;
    node.onAssignments(assignments, news).then(
      () => this.#acknowledger.put({ sequence, ...this.#shown() }),
      (error) => log.error({ sequence, err: error }, `assignments: ${messageOf(error)}`),
    );
  }

  async #acknowledge(signal: AbortSignal): Promise<void> {
    await this.#dispatcher.acknowledge(this.#acknowledgements(signal), { signal });
    throw unavailable('the manager ended the acknowledgements');
  }

  async *#acknowledgements(signal: AbortSignal): AsyncGenerator<AcknowledgeRequest> {
    for await (const news of this.#acknowledger.news(signal)) yield { sessionId: this.#id, ...news };
  }

  #report(signal: AbortSignal): Promise<void> {
    const sessionId = this.#id;
    return this.#options.node.statuses.deliver(async (updates) => {
      await this.#dispatcher.updateTaskStatus({ sessionId, updates }, { signal, timeout: RPC_TIMEOUT });
    }, signal);
  }
}
