import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { diskError, isDiskFull } from '../../lib/disk-errors.js';
import { messageOf, SwarmError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import {
  type ContainerHealth,
  ContainerStatus,
  HealthState,
  type NetworkRecord,
  type PortConfig,
  PortStatus,
  type Task,
  TaskState,
  TaskStateName,
  type TaskStatus,
} from '../../proto/gen/index.js';
import type { ContainerSettings, ContainerState, Executor } from '../executor/executor.js';
import { stopGrace } from '../executor/stop-grace.js';
import { followRun } from '../health/follow-run.js';
import type { HealthMonitor } from '../health/monitor.js';
import { Wake } from '../wake.js';
import type { TaskDatabase } from './database.js';
import { isAttachment, isTerminal, isToStop, type LocalTask, reassigned } from './local-task.js';
import { nextStep, type Observed, type SandboxView, type StatusStep, type Step } from './next-step.js';

export interface RunnerContext {
  readonly executor: Executor;
  readonly health: Pick<HealthMonitor, 'of' | 'watch' | 'forget'>;
  readonly database: Pick<TaskDatabase, 'put' | 'putIfRoom' | 'delete'>;
  readonly clock: Clock;
  readonly log: Logger;
  sandbox(local: LocalTask): SandboxView;
  /** Secrets and configs that have not arrived. */
  missing(task: Task): readonly string[];
  settings(task: Task): Promise<ContainerSettings>;
  hostPorts(task: Task): Promise<readonly PortConfig[]>;
  /** After every change of a task's status. */
  onStatus(local: LocalTask): void;
}

/**
 * An unhealthy task is stopped after this at the latest, milliseconds: managers wait less long for nodes to take it
 * out of their balancers (UNHEALTHY_DRAIN_TIMEOUT), but perhaps none can be reached.
 */
const WITHDRAWAL_PATIENCE = 5_000;

/**
 * Carries out the steps of one task, one after another. What has to outlive the daemon is on disk
 * before it has an effect: the task before its container, STARTING before the start (so that a
 * container is never started twice), the wish to stop before the stop, and the end before it is told.
 */
export class TaskRunner {
  readonly #context: RunnerContext;
  readonly #wake = new Wake();
  readonly #backoff = new Backoff({ initial: 100, max: 8_000 });
  #local: LocalTask;
  #recorded: boolean;
  #container: ContainerState | undefined;
  #failure = '';
  #watching = false;
  /** With an unhealthy task until it is out of all balancers. */
  #patience: 'fresh' | 'wearing' | 'spent' = 'fresh';
  #cancelPatience: () => void = () => {};
  /** Ends a preparation that nobody wants any more. */
  #preparing: AbortController | undefined;

  /** @param recorded whether the task is in the database already; @param container as the executor has it */
  constructor(context: RunnerContext, local: LocalTask, recorded: boolean, container?: ContainerState) {
    this.#context = context;
    this.#local = local;
    this.#recorded = recorded;
    this.#container = container;
  }

  get local(): LocalTask {
    return this.#local;
  }

  get running(): boolean {
    return this.#container?.status === 'running';
  }

  /** What managers say of the task now; undefined: it is no longer assigned to this node. */
  update(task: Task | undefined, networks: readonly NetworkRecord[]): void {
    this.#local = reassigned(this.#local, task, networks);
    if (isToStop(this.#local)) this.#preparing?.abort();
    this.#wake.notify();
  }

  /** Looks again at what it observes. */
  wake(): void {
    this.#wake.notify();
  }

  /** Resolves when the task is gone, or when the signal aborts: then the container runs on. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#carryOut(signal);
    } finally {
      this.#cancelPatience();
    }
  }

  async #carryOut(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!this.#recorded) await this.#record();
        this.#watch(signal);
        const step = nextStep(this.#local, this.#observed());
        if (step.kind === 'forget') return await this.#context.database.delete(this.#local.task.id);
        await this.#perform(step, signal);
        if (step.kind !== 'wait') this.#backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        this.#context.log.error({ ...this.#named, err: error }, `task: ${messageOf(error)}`);
        await this.#context.clock.sleep(this.#backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  /** What its log lines name: the task, and the operator's call that it comes from. */
  get #named(): object {
    const { id, meta } = this.#local.task;
    return meta.changeId === '' ? { task: id } : { task: id, change: meta.changeId };
  }

  get #health(): ContainerHealth | undefined {
    return this.#context.health.of(this.#local.task.id);
  }

  /** Managers say so; or nobody sends to it, or nobody says anything for too long. */
  #withdrawn(): boolean {
    const { task, status } = this.#local;
    if (status.health !== HealthState.UNHEALTHY || task.withdrawn || task.networks.length === 0) return true;
    if (this.#patience === 'fresh') {
      this.#patience = 'wearing';
      this.#cancelPatience = this.#context.clock.after(WITHDRAWAL_PATIENCE, () => {
        this.#patience = 'spent';
        this.#wake.notify();
      });
    }
    return this.#patience === 'spent';
  }

  #observed(): Observed {
    return {
      container: this.#container,
      health: this.#health,
      sandbox: this.#context.sandbox(this.#local),
      withdrawn: this.#withdrawn(),
      missing: this.#context.missing(this.#local.task),
      failure: this.#failure,
    };
  }

  #perform(step: Exclude<Step, { kind: 'forget' }>, signal: AbortSignal): Promise<void> {
    switch (step.kind) {
      case 'wait':
        return this.#wake.wait(signal);
      case 'status':
        return this.#setStatus(step);
      case 'prepare':
        return this.#prepare(signal);
      case 'start':
        return this.#start();
      case 'stop':
        return this.#stop(signal);
      case 'remove':
        return this.#remove();
    }
  }

  /**
   * What goes on for the worse without a record is done all the same: a task that stops, and the end of one, which after a
   * crash is found out again. What would begin is given up. @returns whether it may be done
   */
  async #save(local: LocalTask): Promise<boolean> {
    const { database } = this.#context;
    if (isToStop(local) || isTerminal(local.status.state)) {
      await database.putIfRoom(local);
      return true;
    }
    try {
      await database.put(local);
      return true;
    } catch (error) {
      if (!isDiskFull(error) || isAttachment(local.task)) throw error;
      this.#failure = messageOf(diskError(error));
      return false;
    }
  }

  async #record(): Promise<void> {
    this.#recorded = await this.#save(this.#local);
  }

  async #setStatus(step: StatusStep): Promise<void> {
    const before = this.#local.status;
    const status: TaskStatus = {
      ...before,
      state: step.state,
      timestamp: this.#since(step.state),
      message: step.message ?? before.message,
      error: step.error ?? '',
      container: this.#containerStatus(),
      health: step.health ?? before.health,
    };
    const accepted = before.state < TaskState.ACCEPTED && step.state === TaskState.ACCEPTED;
    const portStatus = accepted ? await this.#hostPorts() : before.portStatus;
    if (!portStatus) return;
    const next = { ...this.#local, status: { ...status, portStatus } };
    if (step.state !== before.state && step.state === TaskState.STARTING) this.#create();
    if (step.state !== before.state && (step.state === TaskState.STARTING || isTerminal(step.state)))
      if (!(await this.#save(next))) return;
    // Its assignment may have changed during the write.
    this.#local = { ...this.#local, status: next.status };
    const fields = { ...this.#named, state: TaskStateName[step.state], error: status.error };
    this.#context.log.info(fields, `task ${this.#local.task.serviceName}: ${status.error || status.message}`);
    this.#context.onStatus(this.#local);
  }

  /** RUNNING is not on disk: after a restart of the daemon it is found out again, and still began when the container did. */
  #since(state: TaskState): number {
    if (state === this.#local.status.state) return this.#local.status.timestamp;
    const since = state === TaskState.RUNNING ? (this.#health?.since ?? this.#container?.startedAt) : 0;
    return since || this.#context.clock.now();
  }

  async #hostPorts(): Promise<PortStatus | undefined> {
    try {
      return PortStatus.create({ ports: await this.#context.hostPorts(this.#local.task) });
    } catch (error) {
      this.#failure = this.#words(error);
      return undefined;
    }
  }

  #containerStatus(): ContainerStatus | undefined {
    const container = this.#container;
    return (
      container &&
      ContainerStatus.create({
        containerId: container.id,
        pid: container.pid,
        exitCode: container.exit?.code,
        oomKilled: container.exit?.oomKilled ?? false,
      })
    );
  }

  async #prepare(signal: AbortSignal): Promise<void> {
    const { executor, settings } = this.#context;
    const { task } = this.#local;
    this.#preparing = new AbortController();
    const unwanted = this.#preparing.signal;
    try {
      await executor.prepare(await settings(task), AbortSignal.any([signal, unwanted]));
    } catch (error) {
      if (!signal.aborted && !unwanted.aborted) this.#failure = this.#words(error);
    } finally {
      this.#preparing = undefined;
    }
    this.#container = await executor.inspect(task.id);
  }

  /** Beside the write that its start waits for. What fails here fails again, and is told, then. */
  #create(): void {
    const { executor, log } = this.#context;
    executor.create(this.#local.task.id).catch((error: unknown) => {
      log.debug({ ...this.#named, err: error }, `not created early: ${messageOf(error)}`);
    });
  }

  async #start(): Promise<void> {
    const { executor } = this.#context;
    const { id } = this.#local.task;
    try {
      this.#container = await executor.start(id);
    } catch (error) {
      this.#failure = this.#words(error);
      this.#container = await executor.inspect(id);
    }
  }

  async #stop(signal: AbortSignal): Promise<void> {
    const { task } = this.#local;
    if (!isTerminal(this.#local.status.state)) await this.#save(this.#local);
    const { container } = task.spec;
    const grace = stopGrace(container);
    this.#context.log.info({ ...this.#named, grace }, `task ${task.serviceName}: its container is to stop`);
    const stopping = this.#context.executor.stop(task.id, container.stopSignal, grace);
    const exit = await unlessAborted(stopping, signal);
    if (exit) this.#container = { ...this.#exited(), exit };
  }

  async #remove(): Promise<void> {
    const { executor, health } = this.#context;
    await executor.remove(this.#local.task.id);
    await health.forget(this.#local.task.id);
    this.#container = undefined;
  }

  /** Checks a container that runs, and waits, beside the steps, for its end; in vain only when the signal aborts. */
  #watch(signal: AbortSignal): void {
    const container = this.#container;
    if (this.#watching || container?.status !== 'running') return;
    this.#watching = true;
    const watch = async () => {
      this.#container = await followRun(this.#context, container, () => this.#wake.notify(), signal);
    };
    watch()
      .catch(() => undefined)
      .finally(() => {
        this.#watching = false;
        this.#wake.notify();
      });
  }

  #exited(): ContainerState {
    const { id } = this.#local.task;
    const { startedAt = 0, check } = this.#container ?? {};
    return { id, status: 'exited', pid: 0, startedAt, exit: undefined, check };
  }

  /** What a task's error says; what is not meant for people is logged whole. */
  #words(error: unknown): string {
    if (!(error instanceof SwarmError))
      this.#context.log.error({ ...this.#named, err: error }, `task: ${messageOf(error)}`);
    return messageOf(error);
  }
}

/** The promise's value, or undefined when the signal aborts before; what comes later is not looked at. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => resolve(undefined);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
