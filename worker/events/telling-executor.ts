import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Clock } from '../../lib/clock.js';
import { codeOf, messageOf } from '../../lib/errors.js';
import { Attributes } from '../../lib/events/event.js';
import type { Logger } from '../../lib/log.js';
import type { ContainerExecutor } from '../containers/runner-context.js';
import { awaitExit } from '../executor/await-exit.js';
import type { ContainerSettings, ContainerState } from '../executor/executor.js';
import type { ExecSettings, ProcessStreams } from '../executor/interactive.js';
import { parseSignal } from '../executor/signals.js';
import { untilAborted } from '../group.js';
import type { LocalEvents } from './local-events.js';

/** What people know a container by. */
export interface ContainerFace {
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface TellingExecutorOptions {
  readonly events: LocalEvents;
  /** Of a container that an earlier daemon has made; undefined when nothing is known of it. */
  readonly describe: (id: string) => ContainerFace | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

type ClosableExecutor = ContainerExecutor & { close(): Promise<void> };

/**
 * An executor that tells what becomes of its containers, whoever asked for it: a person, the swarm, or nobody,
 * as when a process ends. What was told as started is told as ended, too.
 */
export class TellingExecutor implements ContainerExecutor {
  readonly #executor: ClosableExecutor;
  readonly #options: TellingExecutorOptions;
  readonly #faces = new Map<string, ContainerFace>();
  /** By container that runs: resolves when its end was told. */
  readonly #ends = new Map<string, Promise<void>>();
  readonly #closed = new AbortController();

  constructor(executor: ClosableExecutor, options: TellingExecutorOptions) {
    this.#executor = executor;
    this.#options = options;
    setMaxListeners(0, this.#closed.signal);
  }

  get runtime(): string {
    return this.#executor.runtime;
  }

  /** Awaits the ends of containers that run already. Resolves when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (const { id, status } of await this.#executor.list()) if (status === 'running') this.#awaitEnd(id);
    await untilAborted(signal);
    this.#closed.abort();
    await Promise.all(this.#ends.values());
  }

  close(): Promise<void> {
    this.#closed.abort();
    return this.#executor.close();
  }

  /** @param status of its checks, as "healthy" */
  tellHealth(id: string, status: string): void {
    this.#tell(id, `health_status: ${status}`);
  }

  async prepare(container: ContainerSettings, signal: AbortSignal): Promise<void> {
    const { id, name, image, labels } = container;
    const isNew = (await this.#executor.inspect(id)) === undefined;
    await this.#executor.prepare(container, signal);
    this.#faces.set(id, { name, image, labels });
    if (isNew) this.#tell(id, 'create');
  }

  create(id: string): Promise<void> {
    return this.#executor.create(id);
  }

  uncreate(id: string): Promise<void> {
    return this.#executor.uncreate(id);
  }

  async start(id: string): Promise<ContainerState> {
    const wasRunning = (await this.#executor.inspect(id))?.status === 'running';
    const state = await this.#executor.start(id);
    if (!wasRunning) this.#tell(id, 'start');
    this.#awaitEnd(id);
    return state;
  }

  async stop(id: string, stopSignal: string, graceMs: number) {
    const wasRunning = await this.#isRunning(id);
    const exit = await this.#executor.stop(id, stopSignal, graceMs);
    await this.#ends.get(id);
    if (wasRunning) this.#tell(id, 'stop');
    return exit;
  }

  async kill(id: string, signal: string): Promise<void> {
    const number = parseSignal(signal);
    // Before its end, of which it may be the cause.
    if (await this.#isRunning(id)) this.#tell(id, 'kill', { signal: number });
    await this.#executor.kill(id, signal);
  }

  async remove(id: string, options?: { readonly keepVolumes?: boolean }): Promise<void> {
    const before = await this.#executor.inspect(id);
    if (before?.status === 'running') this.#awaitEnd(id);
    // Its face may be gone from the records when it is.
    this.#face(id);
    await this.#executor.remove(id, options);
    await this.#ends.get(id);
    if (before) this.#tell(id, 'destroy');
    this.#faces.delete(id);
  }

  async attach(id: string, input: boolean): Promise<ProcessStreams> {
    const streams = await this.#executor.attach(id, input);
    this.#tell(id, 'attach');
    return streams;
  }

  async exec(id: string, process: ExecSettings): Promise<ProcessStreams> {
    const execID = randomBytes(32).toString('hex');
    const command = process.command.join(' ');
    this.#tell(id, `exec_create: ${command}`, { execID });
    const streams = await this.#executor.exec(id, process);
    this.#tell(id, `exec_start: ${command}`, { execID });
    streams.exit.then(
      ({ code }) => this.#tell(id, 'exec_die', { execID, exitCode: code }),
      // Its container was removed: that is told.
      () => undefined,
    );
    return streams;
  }

  wait: ContainerExecutor['wait'] = (...args) => this.#executor.wait(...args);
  inspect: ContainerExecutor['inspect'] = (id) => this.#executor.inspect(id);
  isAlive: ContainerExecutor['isAlive'] = (id) => this.#executor.isAlive(id);
  list: ContainerExecutor['list'] = () => this.#executor.list();
  logs: ContainerExecutor['logs'] = (...args) => this.#executor.logs(...args);
  facts: ContainerExecutor['facts'] = (id) => this.#executor.facts(id);
  top: ContainerExecutor['top'] = (...args) => this.#executor.top(...args);
  usage: ContainerExecutor['usage'] = (id) => this.#executor.usage(id);
  load: ContainerExecutor['load'] = (id) => this.#executor.load(id);
  copyFrom: ContainerExecutor['copyFrom'] = (...args) => this.#executor.copyFrom(...args);
  copyTo: ContainerExecutor['copyTo'] = (...args) => this.#executor.copyTo(...args);
  setNames: ContainerExecutor['setNames'] = (...args) => this.#executor.setNames(...args);

  /** One that runs has its end awaited: who has just started may be asked before `run` has found it. */
  async #isRunning(id: string): Promise<boolean> {
    const runs = (await this.#executor.inspect(id))?.status === 'running';
    if (runs) this.#awaitEnd(id);
    return runs;
  }

  #awaitEnd(id: string): void {
    if (this.#ends.has(id)) return;
    const end = this.#end(id).finally(() => this.#ends.delete(id));
    this.#ends.set(id, end);
  }

  async #end(id: string): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#closed;
    try {
      const state = await awaitExit({ executor: this.#executor, clock, log }, id, signal);
      if (state?.exit?.oomKilled) this.#tell(id, 'oom');
      this.#tell(id, 'die', { exitCode: state?.exit?.code });
    } catch (error) {
      if (!signal.aborted) log.error({ container: id, err: error, code: codeOf(error) }, messageOf(error));
    }
  }

  #tell(id: string, action: string, more: Readonly<Record<string, string | number | undefined>> = {}): void {
    const face = this.#face(id);
    const attributes = new Attributes();
    for (const [key, value] of Object.entries(face?.labels ?? {})) attributes.set(key, value);
    for (const [key, value] of Object.entries(more)) attributes.set(key, value);
    attributes.set('image', face?.image).set('name', face?.name);
    this.#options.events.tell({ type: 'container', action, id, attributes: attributes.values });
  }

  #face(id: string): ContainerFace | undefined {
    const known = this.#faces.get(id) ?? this.#options.describe(id);
    if (known) this.#faces.set(id, known);
    return known;
  }
}
