import { type Deferred, deferred, Serial } from '../../lib/async.js';
import { Backoff } from '../../lib/backoff.js';
import { messageOf, SwarmError } from '../../lib/errors.js';
import { ContainerGoal, RunPhase, type StoredContainer } from '../../proto/gen/index.js';
import type { SandboxView } from '../agent/next-step.js';
import type { ContainerState } from '../executor/executor.js';
import { endsProcess, parseSignal } from '../executor/signals.js';
import { stopGrace } from '../executor/stop-grace.js';
import { untilAborted } from '../group.js';
import { followRun } from '../health/follow-run.js';
import { Wake } from '../wake.js';
import { Callers, type EndOfRun } from './callers.js';
import { EarlyCreation } from './early-creation.js';
import { type ContainerStep, nextContainerStep } from './next-step.js';
import { endOf, lastEnd, NOT_STARTED_EXIT_CODE, restGoal } from './record.js';
import { calledOff, noSuchContainer, notRunning, refuseRemoved, stillRunning } from './refusals.js';
import { NextStart, restartsAfter } from './restart.js';
import type { ContainerExecutor, Housing, RunnerContext } from './runner-context.js';

/** How long a start waits while its network has a problem. */
const START_PATIENCE_MS = 5_000;

/**
 * Carries out the steps of one container of this machine, one after another. What has to outlive the daemon is
 * on disk before it has an effect.
 */
export class ContainerRunner {
  readonly #context: RunnerContext;
  readonly #wake = new Wake();
  /** Orders the steps, and what people ask for in between. */
  readonly #serial = new Serial();
  readonly #gone: Deferred<void> = deferred();
  #record: StoredContainer;
  #container: ContainerState | undefined;
  #failure: unknown;
  #housedAt = 0;
  /** Endpoints whose names are in its files. */
  #named: StoredContainer['endpoints'] | undefined;
  readonly #nextStart = new NextStart();
  #watching = false;
  /** How many stops and restarts are under way: the end of a run in a restart is not the container's. */
  #stops = 0;
  #restarts = 0;
  #removed = false;
  readonly #callers = new Callers();
  readonly #early: EarlyCreation;

  constructor(context: RunnerContext, record: StoredContainer, container: ContainerState | undefined) {
    this.#context = context;
    this.#early = new EarlyCreation(context);
    this.#record = record;
    this.#container = container;
  }

  get record(): StoredContainer {
    return this.#record;
  }

  /** 0 unless it runs. */
  get pid(): number {
    return this.#container?.pid ?? 0;
  }

  get running(): boolean {
    return this.#record.phase === RunPhase.RUNNING && this.#container?.status === 'running';
  }

  wake(): void {
    this.#wake.notify();
  }

  /** Resolves when what is being done now is on its record. */
  settled(): Promise<void> {
    return this.#serial.run(() => undefined);
  }

  /** Resolves when nothing is left of the container, or when the signal aborts: then it runs on. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff({ initial: 100, max: 8_000 });
    while (!signal.aborted) {
      try {
        const step = await this.#serial.run(() => this.#step(signal));
        if (step.kind === 'remove') return;
        backoff.reset();
        if (step.kind === 'wait' || step.kind === 'stop') await this.#pause(step, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#context.log.error({ container: this.#record.id, err: error }, `container: ${messageOf(error)}`);
        await this.#context.clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  /** Resolves when it runs. @throws why it cannot be started */
  async start(): Promise<void> {
    let started: Promise<void> | undefined;
    await this.#serial.run(() => {
      refuseRemoved(this.#record);
      if (this.#record.phase === RunPhase.RUNNING && this.#record.goal === ContainerGoal.RUN) return;
      this.#nextStart.reset();
      this.#failure = undefined;
      started = this.#callers.start();
      // On disk with the endpoints that it is given next: until then nothing has come of it.
      this.#record = { ...this.#record, goal: ContainerGoal.RUN, stopped: false, error: '', restartCount: 0 };
    });
    this.#wake.notify();
    await started;
  }

  /** Resolves when it does not run, and will not by itself. @throws INVALID_ARGUMENT for a signal that does not exist */
  async stop(signal: string, graceMs: number | undefined): Promise<void> {
    if (signal !== '') parseSignal(signal);
    // From before its goal is another: the next step is not to stop it in its own way.
    this.#stops++;
    try {
      await this.#rest();
      if (this.#container?.status === 'running') {
        await this.#context.executor.stop(this.#record.id, signal, graceMs ?? stopGrace(this.#record.config.container));
      }
    } finally {
      this.#stops--;
      this.#wake.notify();
    }
    await this.wait();
  }

  /** Stops it if it runs, and starts it. @throws as they do */
  async restart(signal: string, graceMs: number | undefined): Promise<void> {
    this.#restarts++;
    try {
      await this.stop(signal, graceMs);
      await this.start();
    } finally {
      this.#restarts--;
    }
  }

  /**
   * A signal that is meant to end it also ends its policy, which does not start it again; it may run on all the same.
   * Of SIGKILL the end is waited for.
   */
  async kill(signal: string): Promise<void> {
    const { id, config } = this.#record;
    if (!this.running) throw notRunning(config.name);
    const number = parseSignal(signal);
    if (endsProcess(number, config.container.stopSignal)) await this.#serial.run(() => this.#save({ stopped: true }));
    await this.#context.executor.kill(id, signal);
    if (number === parseSignal('KILL')) await this.wait();
  }

  /**
   * Resolves when nothing is left of it. @param volumes its anonymous volumes go too
   * @throws FAILED_PRECONDITION when it runs, unless forced
   */
  async remove(force: boolean, volumes: boolean): Promise<void> {
    await this.#serial.run(async () => {
      if (this.#removed) return;
      if (this.#record.phase !== RunPhase.IDLE && !force) throw stillRunning(this.#record);
      await this.#save({ goal: ContainerGoal.REMOVE, removeVolumes: volumes });
    });
    this.#wake.notify();
    if (this.#container?.status === 'running') await this.#context.executor.kill(this.#record.id, 'SIGKILL');
    await this.#gone.promise;
  }

  /** How its last run ended; waits while it runs, or is to be started again. @throws the signal's reason */
  async wait(signal?: AbortSignal): Promise<EndOfRun> {
    const { phase, goal } = this.#record;
    return phase === RunPhase.IDLE && goal !== ContainerGoal.RUN ? lastEnd(this.#record) : this.#callers.end(signal);
  }

  /** Waits for its end, and when it is to be removed then, until nothing is left of it. @throws the signal's reason */
  async removal(signal: AbortSignal): Promise<void> {
    await this.wait(signal);
    if (this.#record.goal === ContainerGoal.REMOVE) await Promise.race([this.#gone.promise, untilAborted(signal)]);
  }

  /** A change of its record between two steps, on disk when it resolves. */
  async change(change: (record: StoredContainer) => Promise<StoredContainer>): Promise<void> {
    await this.#serial.run(async () => {
      refuseRemoved(this.#record);
      await this.#save(await change(this.#record));
    });
    this.#wake.notify();
  }

  async #rest(): Promise<void> {
    await this.#serial.run(async () => {
      await this.#save({ goal: restGoal(this.#record), stopped: true });
      if (this.#record.phase !== RunPhase.IDLE) return;
      // Nothing follows that would tell them.
      this.#callers.notStarted(calledOff());
      this.#callers.ended(lastEnd(this.#record));
    });
    this.#wake.notify();
  }

  /** @throws NOT_FOUND when it has been removed meanwhile: its record is not to come back */
  async #save(fields: Partial<StoredContainer>): Promise<void> {
    if (this.#removed) throw noSuchContainer(this.#record.config.name);
    const next = { ...this.#record, ...fields };
    await (next.goal === ContainerGoal.REMOVE ? this.#context.store.putIfRoom(next) : this.#context.store.put(next));
    this.#record = next;
  }

  async #step(signal: AbortSignal): Promise<ContainerStep> {
    this.#watch(signal);
    const step = nextContainerStep(this.#record, {
      container: this.#container,
      sandbox: this.#sandbox(),
      failure: this.#failure === undefined ? '' : messageOf(this.#failure),
      delay: this.#nextStart.delay(this.#context.clock.monotonic()),
    });
    await this.#perform(step, signal);
    return step;
  }

  async #perform(step: ContainerStep, signal: AbortSignal): Promise<void> {
    switch (step.kind) {
      case 'wait':
        return;
      case 'house':
        return this.#house(signal);
      case 'prepare':
        // It was prepared before the machine was started anew, and never ran.
        return this.#attempt(async (executor) => executor.prepare(await this.#context.settings(this.#record), signal));
      case 'start':
        return this.#attempt(async (executor) => {
          this.#early.end();
          if (this.#named !== this.#record.endpoints) await this.#setNames();
          await executor.start(this.#record.id);
        });
      case 'started':
        return this.#started();
      case 'stop':
        return this.#stop();
      case 'ended':
        return this.#ended();
      case 'giveUp':
        return this.#giveUp(this.#failure ?? calledOff());
      case 'remove':
        return this.#remove();
    }
  }

  #sandbox(): SandboxView {
    const view = this.#context.sandbox(this.#record);
    if (view.state !== 'problem') return view;
    return { ...view, expired: this.#context.clock.monotonic() - this.#housedAt >= START_PATIENCE_MS };
  }

  async #house(signal: AbortSignal): Promise<void> {
    const before = this.#record;
    // The node's network takes it up while the disk does: what a crash in between leaves of it there is wanted by nobody.
    this.#record = { ...before, phase: RunPhase.STARTING };
    if (this.#container) this.#early.begin(this.#record);
    let housing: Housing;
    try {
      housing = await this.#context.house(before, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      return this.#giveUp(error);
    }
    this.#record = { ...this.#record, ...housing };
    this.#housedAt = this.#context.clock.monotonic();
    void this.#context.networkChanged();
    // As it asks for its creation.
    this.#context.sandbox(this.#record);
    const [saved, named] = await Promise.allSettled([this.#save({}), this.#setNames()]);
    // What has failed there fails again, and is told, before the start.
    if (named.status === 'fulfilled') this.#named = housing.endpoints;
    if (saved.status === 'fulfilled') return;
    this.#record = before;
    await this.#early.takeBack(before.id);
    this.#context.release(before, housing.endpoints);
    void this.#context.networkChanged();
    throw saved.reason;
  }

  async #setNames(): Promise<void> {
    await this.#context.executor.setNames(this.#record.id, await this.#context.settings(this.#record));
  }

  async #attempt(work: (executor: ContainerExecutor) => Promise<void>): Promise<void> {
    try {
      await work(this.#context.executor);
    } catch (error) {
      this.#failure = error;
    }
    this.#container = await this.#context.executor.inspect(this.#record.id);
  }

  async #started(): Promise<void> {
    await this.#save({ phase: RunPhase.RUNNING, startedAt: this.#container?.startedAt ?? 0, error: '' });
    this.#callers.started();
    this.#context.log.info({ container: this.#record.id, pid: this.pid }, `container ${this.#record.config.name} runs`);
  }

  /** Not waited for: it may be killed meanwhile. */
  async #stop(): Promise<void> {
    if (this.#stops > 0) return;
    this.#stops++;
    const { executor, log } = this.#context;
    const { id, goal } = this.#record;
    const work =
      goal === ContainerGoal.REMOVE
        ? executor.kill(id, 'SIGKILL')
        : executor.stop(id, '', stopGrace(this.#record.config.container));
    work
      .catch((error: unknown) => log.error({ container: id, err: error }, `cannot stop it: ${messageOf(error)}`))
      .finally(() => {
        this.#stops--;
      });
  }

  async #ended(): Promise<void> {
    const { clock, log } = this.#context;
    const exit = endOf(this.#container, clock.now());
    const { goal, config, restartCount, startedAt } = this.#record;
    // Somebody may have asked for a start while it was being stopped.
    const asked = this.#callers.wantStart;
    const again = goal === ContainerGoal.RUN && (asked || restartsAfter(this.#record, exit.code));
    if (again && !asked) this.#nextStart.postpone(clock.monotonic(), exit.finishedAt - startedAt);
    const rest = config.autoRemove && this.#restarts === 0 ? ContainerGoal.REMOVE : restGoal(this.#record);
    await this.#vacate({
      goal: again ? ContainerGoal.RUN : rest,
      exitCode: exit.code,
      oomKilled: exit.oomKilled,
      finishedAt: exit.finishedAt,
      restartCount: again && !asked ? restartCount + 1 : restartCount,
    });
    log.info({ container: this.#record.id, code: exit.code, again }, `container ${config.name} has exited`);
    if (!again) this.#callers.ended({ code: exit.code, error: '' });
  }

  async #giveUp(error: unknown): Promise<void> {
    const words = messageOf(error);
    if (!(error instanceof SwarmError))
      this.#context.log.error({ container: this.#record.id, err: error }, `container: ${words}`);
    const { goal, config } = this.#record;
    // Nobody waits for it: it is started by its policy, which goes on trying.
    const again = goal === ContainerGoal.RUN && !this.#callers.wantStart && restartsAfter(this.#record, 1);
    if (again) this.#nextStart.postpone(this.#context.clock.monotonic(), 0);
    const rest = config.autoRemove ? ContainerGoal.REMOVE : restGoal(this.#record);
    this.#failure = undefined;
    await this.#early.takeBack(this.#record.id);
    await this.#vacate({ goal: again ? ContainerGoal.RUN : rest, error: words, exitCode: NOT_STARTED_EXIT_CODE });
    this.#callers.notStarted(error);
    if (!again) this.#callers.ended({ code: NOT_STARTED_EXIT_CODE, error: words });
  }

  /** On disk it has no endpoints any more before others can get them. */
  async #vacate(fields: Partial<StoredContainer>): Promise<void> {
    const { endpoints } = this.#record;
    await this.#save({ ...fields, phase: RunPhase.IDLE, endpoints: [], ports: [] });
    this.#context.release(this.#record, endpoints);
    void this.#context.networkChanged();
  }

  async #remove(): Promise<void> {
    const { executor, store, gone } = this.#context;
    const { id, removeVolumes, config } = this.#record;
    // As with docker they go with a container that removes itself.
    await executor.remove(id, { keepVolumes: !removeVolumes && !config.autoRemove });
    await store.delete(this.#record.id);
    this.#removed = true;
    await gone(this.#record);
    this.#callers.notStarted(noSuchContainer(this.#record.config.name));
    this.#callers.ended(lastEnd(this.#record));
    this.#gone.resolve();
  }

  async #pause(step: ContainerStep, signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const cancels = [
      ...(step.kind === 'wait' && step.ms !== undefined ? [clock.after(step.ms, () => this.#wake.notify())] : []),
      // The problem of a network may last: then the start is to be given up.
      ...(this.#record.phase === RunPhase.STARTING ? [clock.after(START_PATIENCE_MS, () => this.#wake.notify())] : []),
    ];
    await this.#wake.wait(signal);
    for (const cancel of cancels) cancel();
  }

  /** Checks a container that runs, and waits, beside the steps, for its end; in vain only when the signal aborts. */
  #watch(signal: AbortSignal): void {
    const container = this.#container;
    if (this.#watching || container?.status !== 'running') return;
    this.#watching = true;
    const watch = async () => {
      this.#container = await followRun(this.#context, container, () => {}, signal);
    };
    watch()
      .catch(() => undefined)
      .finally(() => {
        this.#watching = false;
        this.#wake.notify();
      });
  }
}
