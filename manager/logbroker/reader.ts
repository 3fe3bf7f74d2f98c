import { invalidArgument } from '../../lib/errors.js';
import type { LogBatch, LogOptions, LogsRequest, Task } from '../../proto/gen/index.js';
import { TaskState } from '../../proto/gen/index.js';
import { resolve } from '../control/refs.js';
import { isEvent, type Store } from '../store/store.js';
import type { LogBroker } from './broker.js';
import { FanIn } from './fan-in.js';

/** Batches between the nodes and one reader. */
const BUFFER = 16;

/** What `logs` reads: all tasks of a service, or one task. */
export class LogReader {
  readonly #store: Store;
  readonly #broker: LogBroker;

  constructor(store: Store, broker: LogBroker) {
    this.#store = store;
    this.#broker = broker;
  }

  /**
   * Ends when all logs have been read; when following, with the task's log, or when the service is
   * removed and its tasks' logs have ended.
   * @throws NOT_FOUND, FAILED_PRECONDITION for an unknown or ambiguous service or task
   */
  async *read({ service, task, options }: LogsRequest, signal: AbortSignal): AsyncGenerator<LogBatch> {
    if ((service === '') === (task === '')) {
      throw invalidArgument('either a service or a task is needed to read logs', { value: service || task });
    }
    const view = this.#store.view();
    const wanted =
      service === ''
        ? { kind: 'task' as const, id: resolve(view, 'task', task).id }
        : { kind: 'service' as const, id: resolve(view, 'service', service).id };
    const asked = options.stdout || options.stderr ? options : { ...options, stdout: true, stderr: true };
    const sink = new FanIn<LogBatch>(BUFFER);
    const end = new AbortController();
    const over = AbortSignal.any([signal, end.signal]);
    over.addEventListener('abort', () => sink.end(), { once: true });
    let failure: unknown;
    const collected = this.#collect(wanted, asked, sink, over)
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => sink.end());
    try {
      yield* sink;
    } finally {
      end.abort();
      await collected;
    }
    if (failure !== undefined) throw failure;
  }

  /** Opens the log of each task as it comes to have one; resolves when all that were opened have ended. */
  async #collect(
    wanted: { readonly kind: 'service' | 'task'; readonly id: string },
    options: LogOptions,
    sink: FanIn<LogBatch>,
    signal: AbortSignal,
  ): Promise<void> {
    const watching = new AbortController();
    const { snapshot, commits } = this.#store.watch(AbortSignal.any([signal, watching.signal]), ['task', 'service']);
    const opened = new Map<string, Promise<void>>();
    const open = (task: Task, from: LogOptions) => {
      const isWanted = wanted.kind === 'task' ? task.id === wanted.id : task.serviceId === wanted.id;
      if (!isWanted || !hasLog(task) || opened.has(task.id)) return;
      const read = this.#broker.stream(task, from, sink, signal);
      opened.set(task.id, wanted.kind === 'task' ? read.finally(() => watching.abort()) : read);
    };
    const tasks = wanted.kind === 'task' ? [snapshot.get('task', wanted.id)] : snapshot.tasksOfService(wanted.id);
    for (const task of tasks) if (task) open(task, options);
    if (options.follow) {
      for await (const { events } of commits) {
        for (const event of events) {
          if (event.action === 'remove' && event.object.id === wanted.id) watching.abort();
          else if (isEvent(event, 'task') && event.action !== 'remove') open(event.object, withoutTail(options));
        }
      }
    }
    watching.abort();
    await Promise.all(opened.values());
  }
}

/** Of a task that comes while others are being followed, every line is new. */
const withoutTail = (options: LogOptions): LogOptions => ({ ...options, tail: undefined });

/** Its container was made, so there is something to read. */
function hasLog({ nodeId, status }: Task): boolean {
  const { state } = status;
  return nodeId !== '' && state >= TaskState.STARTING && state !== TaskState.REJECTED && state !== TaskState.ORPHANED;
}
