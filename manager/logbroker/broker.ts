import { type Deferred, deferred } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { notFound } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import {
  LogBatch,
  type LogBrokerService,
  LogLine,
  type LogOptions,
  LogStream,
  LogSubscription,
  type Node,
  NodeState,
  type Task,
} from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import { NodeQueues } from '../common/node-queues.js';
import { isEvent, type Store } from '../store/store.js';
import type { FanIn } from './fan-in.js';

export interface LogBrokerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly authenticate: (context: CallContext) => Node;
}

/** One task's log on its way to one reader. */
interface Source {
  readonly id: string;
  readonly task: Task;
  readonly options: LogOptions;
  readonly sink: FanIn<LogBatch>;
  readonly done: Deferred<void>;
  /** Whether the node has been asked: asked again after a broken connection, it sends new lines only. */
  asked: boolean;
  /** Cancels the wait for a node that has no connection. */
  cancelWait: () => void;
}

/** How long a node that should be there may take to connect, in milliseconds. */
const CONNECT_PATIENCE = 10_000;

/**
 * Brings together the nodes that have logs and the operators who read them. A log that cannot be
 * read is said so in a line of its own, on stderr, and does not disturb the others.
 */
export class LogBroker {
  readonly #options: LogBrokerOptions;
  readonly #sources = new Map<string, Source>();
  readonly #nodes = new NodeQueues<LogSubscription>();

  constructor(options: LogBrokerOptions) {
    this.#options = options;
  }

  /** Gives up the logs of nodes that go down. */
  async run(signal: AbortSignal): Promise<void> {
    const { snapshot, commits } = this.#options.store.watch(signal, ['node']);
    for (const node of snapshot.list('node')) this.#failIfDown(node);
    for await (const { events } of commits) {
      for (const event of events) {
        if (!isEvent(event, 'node')) continue;
        if (event.action === 'remove') this.#failNode(event.object, 'was removed');
        else this.#failIfDown(event.object);
      }
    }
  }

  handlers(): Handlers<typeof LogBrokerService> {
    return {
      subscriptions: (_request, context) => this.#serveNode(context),
      publish: async (messages, context) => {
        const node = this.#options.authenticate(context);
        for await (const { subscriptionId, batch, done, error } of messages) {
          const source = this.#sources.get(subscriptionId);
          if (!source || source.task.nodeId !== node.id) throw notFound('nobody reads this log any more');
          if (batch.lines.length > 0) await source.sink.push(this.#batch(source.task, batch.lines));
          if (done) await this.#finish(source, error);
        }
        return {};
      },
    };
  }

  /** Passes a task's log on; resolves when it has ended or cannot be read, or the signal aborts. */
  async stream(task: Task, options: LogOptions, sink: FanIn<LogBatch>, signal: AbortSignal): Promise<void> {
    const source: Source = {
      id: newId(),
      task,
      options,
      sink,
      done: deferred(),
      asked: false,
      cancelWait: () => {},
    };
    this.#sources.set(source.id, source);
    const close = () => this.#close(source);
    signal.addEventListener('abort', close, { once: true });
    const node = this.#options.store.view().get('node', task.nodeId);
    if (!node) void this.#finish(source, `node ${task.nodeId} is not in the swarm any more: its logs cannot be read`);
    else if (node.status.state === NodeState.DOWN) void this.#finish(source, downMessage(node));
    else this.#ask(source);
    if (signal.aborted) close();
    await source.done.promise;
    signal.removeEventListener('abort', close);
  }

  async *#serveNode(context: CallContext): AsyncGenerator<LogSubscription> {
    const node = this.#options.authenticate(context);
    yield* this.#nodes.serve(node.id, context.signal, {
      connected: () => {
        for (const source of this.#sourcesOf(node.id)) this.#ask(source);
      },
      lost: () => {
        for (const source of this.#sourcesOf(node.id)) this.#awaitNode(source);
      },
    });
  }

  #ask(source: Source): void {
    source.cancelWait();
    if (source.asked && !source.options.follow) {
      void this.#finish(source, `${this.#nodeName(source)} was disconnected while it sent its logs: read them again`);
      return;
    }
    const { id, task } = source;
    const options = source.asked ? { ...source.options, tail: 0 } : source.options;
    if (this.#nodes.send(task.nodeId, LogSubscription.create({ id, taskId: task.id, options }))) source.asked = true;
    else this.#awaitNode(source);
  }

  #awaitNode(source: Source): void {
    source.cancelWait();
    source.cancelWait = this.#options.clock.after(CONNECT_PATIENCE, () => {
      void this.#finish(source, `${this.#nodeName(source)} is not connected: its logs cannot be read`);
    });
  }

  #nodeName({ task }: Source): string {
    const node = this.#options.store.view().get('node', task.nodeId);
    return `node ${node?.description.hostname || task.nodeId}`;
  }

  #failIfDown(node: Node): void {
    if (node.status.state === NodeState.DOWN) this.#failNode(node, 'is down');
  }

  #failNode(node: Node, what: string): void {
    for (const source of this.#sourcesOf(node.id)) void this.#finish(source, downMessage(node, what));
  }

  #sourcesOf(nodeId: string): Source[] {
    return [...this.#sources.values()].filter((source) => source.task.nodeId === nodeId);
  }

  /** The log has ended: by itself, or for a reason that is passed on as a last line. */
  async #finish(source: Source, error: string): Promise<void> {
    if (!this.#sources.delete(source.id)) return;
    source.cancelWait();
    if (error !== '') {
      const now = this.#options.clock.now();
      const line = LogLine.create({ timestampMs: now, stream: LogStream.STDERR, data: Buffer.from(`${error}\n`) });
      await source.sink.push(this.#batch(source.task, [line]));
    }
    source.done.resolve();
  }

  /** The reader has gone: the node is told to stop. */
  #close(source: Source): void {
    if (!this.#sources.delete(source.id)) return;
    source.cancelWait();
    if (source.asked) {
      const close = LogSubscription.create({ id: source.id, taskId: source.task.id, close: true });
      this.#nodes.send(source.task.nodeId, close);
    }
    source.done.resolve();
  }

  /** Whose lines these are is what the store says, not what the node says. */
  #batch(task: Task, lines: readonly LogLine[]): LogBatch {
    return LogBatch.create({ serviceId: task.serviceId, taskId: task.id, nodeId: task.nodeId, lines });
  }
}

function downMessage(node: Node, what = 'is down'): string {
  return `node ${node.description.hostname || node.id} ${what}: its logs cannot be read`;
}
