import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { codeOf, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import {
  LogBatch,
  LogBrokerService,
  type LogSubscription,
  PublishLogsRequest,
  type Task,
} from '../../proto/gen/index.js';
import type { Channel, Stubs } from '../../proto/rpc/client.js';
import type { Executor } from '../executor/executor.js';
import { batches } from './batches.js';

export interface LogPublisherOptions {
  readonly executor: Pick<Executor, 'logs'>;
  readonly nodeId: string;
  readonly task: (id: string) => Task | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Bytes of lines after which a message is sent. */
const MESSAGE_SIZE = 64 << 10;
/** Of what a line takes besides its text. */
const LINE_OVERHEAD = 16;

/**
 * Sends the lines that managers ask for. A subscription reads no faster than the manager takes its
 * lines, and ends when the manager closes it, when the log ends, or with the session.
 */
export class LogPublisher {
  readonly #options: LogPublisherOptions;

  constructor(options: LogPublisherOptions) {
    this.#options = options;
  }

  /** Serves one session's subscriptions until the signal aborts; opens the stream again when it fails. */
  async run(channel: Channel, sessionId: string, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const broker = channel.stubs(LogBrokerService);
    const backoff = new Backoff({ initial: 500, max: 30_000 });
    while (!signal.aborted) {
      try {
        await this.#subscriptions(broker, sessionId, signal, () => backoff.reset());
      } catch (error) {
        if (!signal.aborted) log.warn({ session: sessionId }, `log subscriptions: ${messageOf(error)}`);
      }
      await clock.sleep(backoff.next(), signal).catch(() => undefined);
    }
  }

  async #subscriptions(
    broker: Stubs<typeof LogBrokerService>,
    sessionId: string,
    signal: AbortSignal,
    alive: () => void,
  ): Promise<void> {
    const open = new Map<string, AbortController>();
    try {
      for await (const subscription of broker.subscriptions({ sessionId }, { signal })) {
        alive();
        open.get(subscription.id)?.abort();
        if (subscription.close) {
          open.delete(subscription.id);
          continue;
        }
        const controller = new AbortController();
        open.set(subscription.id, controller);
        void this.#publish(broker, subscription, controller.signal).finally(() => {
          controller.abort();
          if (open.get(subscription.id) === controller) open.delete(subscription.id);
        });
      }
    } finally {
      for (const controller of open.values()) controller.abort();
    }
  }

  async #publish(
    broker: Stubs<typeof LogBrokerService>,
    subscription: LogSubscription,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await broker.publish(this.#messages(subscription, signal), { signal });
    } catch (error) {
      // NOT_FOUND: the reader has gone before the manager could say so.
      if (!signal.aborted && codeOf(error) !== 'NOT_FOUND')
        this.#options.log.warn({ task: subscription.taskId }, `logs were not published: ${messageOf(error)}`);
    }
  }

  async *#messages({ id, taskId, options }: LogSubscription, signal: AbortSignal): AsyncGenerator<PublishLogsRequest> {
    const { executor, nodeId, log } = this.#options;
    const task = this.#options.task(taskId);
    const message = (fields: Partial<PublishLogsRequest>) =>
      PublishLogsRequest.create({ subscriptionId: id, ...fields });
    if (!task) {
      yield message({ done: true, error: `task ${taskId} is not on this node` });
      return;
    }
    try {
      const lines = executor.logs(taskId, options, signal);
      for await (const batch of batches(lines, MESSAGE_SIZE, ({ data }) => data.length + LINE_OVERHEAD))
        yield message({ batch: LogBatch.create({ serviceId: task.serviceId, taskId, nodeId, lines: batch }) });
      yield message({ done: true });
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ task: taskId }, `logs: ${messageOf(error)}`);
      yield message({ done: true, error: messageOf(error) });
    }
  }
}
