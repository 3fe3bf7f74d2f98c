import { Serial } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import { isId } from '../../lib/ids.js';
import type { Logger } from '../../lib/log.js';
import type { NetworkRecord, PortConfig, Task } from '../../proto/gen/index.js';
import type { ContainerSettings, ContainerState, Executor } from '../executor/executor.js';
import { untilAborted } from '../group.js';
import type { HealthMonitor } from '../health/monitor.js';
import { hostPorts, portKey } from '../network/host-ports.js';
import { type Assignments, noAssignments } from './assignments.js';
import { missingFiles } from './container-settings.js';
import type { TaskDatabase } from './database.js';
import { isAttachment, isTerminal, isToStop, type LocalTask, needsSandbox } from './local-task.js';
import type { SandboxView } from './next-step.js';
import type { StatusQueue } from './status-queue.js';
import { type RunnerContext, TaskRunner } from './task-runner.js';

export interface TaskSetOptions {
  readonly executor: Executor;
  readonly health: Pick<HealthMonitor, 'of' | 'watch' | 'forget'>;
  readonly database: TaskDatabase;
  readonly statuses: StatusQueue;
  readonly clock: Clock;
  readonly log: Logger;
  sandbox(local: LocalTask): SandboxView;
  settings(task: Task, files: Assignments): Promise<ContainerSettings>;
  /** Ports that lead to what is no task of this node. */
  published(): readonly PortConfig[];
  /** Called when the node's network state depends on what has changed of the task. */
  onNetworkChange(task: Task): void;
}

/** The tasks of this node, each with its runner. */
export class TaskSet {
  readonly #options: TaskSetOptions;
  readonly #runners = new Map<string, TaskRunner>();
  readonly #running = new Set<Promise<void>>();
  #assignments: Assignments = noAssignments;
  #signal: AbortSignal | undefined;
  readonly #choosing = new Serial();
  /** Host-mode ports by task, as chosen. */
  readonly #chosen = new Map<string, readonly PortConfig[]>();

  constructor(options: TaskSetOptions) {
    this.#options = options;
  }

  /**
   * Takes back what an earlier daemon left: its tasks, with their containers as they are now.
   * @param assignments the last known ones, for secrets and networks
   * @returns tasks' containers whose task is not on record
   */
  async adopt(assignments: Assignments): Promise<readonly ContainerState[]> {
    const { database, executor, log } = this.#options;
    const [tasks, containers] = await Promise.all([database.tasks(), executor.list()]);
    const byId = new Map(containers.map((container) => [container.id, container]));
    this.#assignments = assignments;
    for (const local of tasks) this.#add(local, true, byId.get(local.task.id));
    const running = tasks.filter(({ task }) => byId.get(task.id)?.status === 'running').length;
    if (tasks.length > 0) log.info({ tasks: tasks.length, running }, 'took tasks back');
    return containers.filter(({ id }) => isId(id) && !this.#runners.has(id));
  }

  /** What managers want of this node, as a whole: tasks that are not in it are stopped and removed. */
  assign(assignments: Assignments): void {
    this.#assignments = assignments;
    for (const [id, runner] of this.#runners) {
      const task = assignments.tasks.get(id);
      runner.update(task, task ? this.#networksOf(task, runner.local.networks) : runner.local.networks);
    }
    for (const task of assignments.tasks.values()) {
      if (!this.#runners.has(task.id)) this.#create(task);
    }
  }

  /** Runs all tasks until the signal aborts. Their containers run on. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const runner of this.#runners.values()) this.#start(runner, signal);
    await untilAborted(signal);
    await Promise.all(this.#running);
  }

  local(): readonly LocalTask[] {
    return [...this.#runners.values()].map((runner) => runner.local);
  }

  get(id: string): LocalTask | undefined {
    return this.#runners.get(id)?.local;
  }

  /** Of tasks that have containers. */
  counts(): { readonly running: number; readonly total: number } {
    const runners = [...this.#runners.values()].filter(({ local }) => !isAttachment(local.task));
    return { running: runners.filter((runner) => runner.running).length, total: runners.length };
  }

  /** Lets every task look at the world again, after its network has changed. */
  wakeAll(): void {
    for (const runner of this.#runners.values()) runner.wake();
  }

  /** Tells managers all states again, as at the begin of a session. */
  reportAll(): void {
    for (const { task, status } of this.local()) this.#options.statuses.put(task.id, status);
  }

  #create(task: Task): void {
    const local = { task, status: task.status, assigned: true, networks: this.#networksOf(task, []) };
    // A task that managers know to be stopped, and that left nothing here, needs no record.
    const runner = this.#add(local, isToStop(local) && task.status.container === undefined);
    if (this.#signal) this.#start(runner, this.#signal);
  }

  #add(local: LocalTask, recorded: boolean, container?: ContainerState): TaskRunner {
    const runner = new TaskRunner(this.#context(local), local, recorded, container);
    this.#runners.set(local.task.id, runner);
    return runner;
  }

  #start(runner: TaskRunner, signal: AbortSignal): void {
    const running = runner
      .run(signal)
      .catch((error: unknown) => {
        const { id } = runner.local.task;
        this.#options.log.error({ task: id, err: error }, `task runner ended: ${messageOf(error)}`);
      })
      .finally(() => {
        this.#running.delete(running);
        if (!signal.aborted) this.#forget(runner.local.task.id);
      });
    this.#running.add(running);
  }

  #forget(id: string): void {
    this.#runners.delete(id);
    this.#chosen.delete(id);
    const task = this.#assignments.tasks.get(id);
    if (!task) return;
    this.#create(task);
    this.#options.onNetworkChange(task);
  }

  #context(local: LocalTask): RunnerContext {
    const { executor, health, database, clock, log, statuses } = this.#options;
    // Who adds it has the network made as it is then.
    let housed = needsSandbox(local);
    return {
      executor,
      health,
      database,
      clock,
      log,
      sandbox: (local) => this.#options.sandbox(local),
      missing: (task) => missingFiles(task, this.#assignments),
      settings: (task) => this.#options.settings(task, this.#assignments),
      hostPorts: (task) => this.#hostPorts(task),
      onStatus: (local) => {
        statuses.put(local.task.id, local.status);
        const needs = needsSandbox(local);
        if (needs !== housed) this.#options.onNetworkChange(local.task);
        housed = needs;
      },
    };
  }

  /** One task after another: what one has chosen the next must know. */
  #hostPorts(task: Task): Promise<readonly PortConfig[]> {
    return this.#choosing.run(async () => {
      const ports = await hostPorts(task, this.#publishedPorts(task.id));
      this.#chosen.set(task.id, ports);
      return ports;
    });
  }

  /** Ports of this node that lead somewhere already: those of the routing mesh, its other tasks and its own containers. */
  #publishedPorts(except: string): ReadonlySet<string> {
    const mesh = [...this.#assignments.services.values()].flatMap((service) => service.ports);
    const others = this.local().filter((local) => local.task.id !== except && !isTerminal(local.status.state));
    // A task's status has its ports a moment after they were chosen.
    const ofTasks = others.flatMap(({ task, status }) => [
      ...status.portStatus.ports,
      ...(this.#chosen.get(task.id) ?? []),
    ]);
    return new Set([...mesh, ...ofTasks, ...this.#options.published()].map(portKey));
  }

  /** Of a network that managers no longer mention, the record is what it was. */
  #networksOf(task: Task, known: readonly NetworkRecord[]): readonly NetworkRecord[] {
    const before = new Map(known.map((network) => [network.id, network]));
    return task.networks.flatMap(({ networkId }) => {
      const network = this.#assignments.networks.get(networkId) ?? before.get(networkId);
      return network ? [network] : [];
    });
  }
}
