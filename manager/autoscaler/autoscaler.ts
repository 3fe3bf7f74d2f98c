import type { AutoscaleStatus, Service } from '../../proto/gen/index.js';
import { heartbeatPeriod } from '../common/heartbeat.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { type Commit, isEvent, type Kind, type ReadView } from '../store/store.js';
import type { UsageReports } from '../usage/usage-reports.js';
import { evaluate, type Memory, type Outcome } from './evaluate.js';

export interface AutoscalerOptions extends LoopOptions {
  /** What nodes tell of their tasks. */
  readonly usage: Pick<UsageReports, 'of'>;
}

/** Heartbeats without a report after which nothing is known of a task. */
const STALE_PERIODS = 3;
/** Milliseconds between two writes of a status that has no decision in it: usage never stands still. */
const STATUS_PERIOD = 15_000;
/** Part of a number by which it must have changed to be worth a write, and by how much at least. */
const NOTABLE = 0.1;
const LEAST = 1;

/**
 * Gives services with `autoscale` as many tasks as their load asks for, by changing `replicas` in their spec. This
 * is no change of the operator's: spec_version stays, so that no task is replaced, and so does previous_spec, which
 * a rollback goes back to. It looks once per heartbeat: more often there is nothing new. What it remembers is in
 * memory alone: a new leader begins with the numbers that it finds, and changes none before a window is over.
 */
export class Autoscaler implements Reaction {
  readonly kinds: readonly Kind[] = ['service'];
  readonly #options: AutoscalerOptions;
  readonly #loop: ControlLoop;
  /** Services with `autoscale`, and what is remembered of each. */
  #services = new Map<string, Memory | undefined>();
  #isTime = false;
  #cancelTimer: (() => void) | undefined;

  constructor(options: AutoscalerOptions) {
    this.#options = options;
    this.#loop = new ControlLoop(options);
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#loop.run(signal, this);
    } finally {
      this.#disarm();
    }
  }

  start(view: ReadView): void {
    this.#disarm();
    this.#services = new Map();
    for (const service of view.list('service')) this.#seen(service, false);
  }

  observe(commit: Commit): void {
    for (const event of commit.events) {
      if (isEvent(event, 'service')) this.#seen(event.object, event.action === 'remove');
    }
  }

  async act(): Promise<void> {
    if (this.#isTime) {
      this.#isTime = false;
      await this.#lookAtAll();
    }
    if (this.#services.size > 0) this.#arm();
  }

  #seen({ id, spec }: Service, removed: boolean): void {
    if (removed || !spec.autoscale) this.#services.delete(id);
    else if (!this.#services.has(id)) this.#services.set(id, undefined);
  }

  #arm(): void {
    const { clock, store } = this.#options;
    this.#cancelTimer ??= clock.after(heartbeatPeriod(store.view()), () => {
      this.#cancelTimer = undefined;
      this.#isTime = true;
      this.#loop.wake();
    });
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isTime = false;
  }

  async #lookAtAll(): Promise<void> {
    const { store, log } = this.#options;
    const view = store.view();
    const changes = [...this.#services.keys()].flatMap((id) => this.#lookAt(view, id) ?? []);
    const { failed } = await store.batch(changes, (draft, { before, after }) => {
      // Somebody has changed it: the next look is at what it is then.
      if (draft.get('service', before.id)?.meta.version === before.meta.version) draft.update('service', after);
    });
    for (const error of failed.values()) throw error;
    for (const { before, after } of changes) {
      const { last } = after.autoscaleStatus ?? {};
      if (!last || before.spec === after.spec) continue;
      log.info({ service: after.spec.name, ...last }, `scaled from ${last.from} to ${last.to}: ${last.reason}`);
    }
  }

  #lookAt(view: ReadView, id: string): { readonly before: Service; readonly after: Service } | undefined {
    const { clock, usage } = this.#options;
    const before = view.get('service', id);
    const autoscale = before?.spec.autoscale;
    if (!before || !autoscale || before.pendingDelete) return undefined;
    const now = clock.monotonic();
    const oldest = now - STALE_PERIODS * heartbeatPeriod(view);
    const outcome = evaluate({
      service: before,
      autoscale,
      tasks: [...view.tasksOfService(id)],
      usageOf: (task) => {
        const known = usage.of(task);
        return known && known.at >= oldest ? known : undefined;
      },
      memory: this.#services.get(id),
      now,
      time: clock.now(),
    });
    this.#services.set(id, outcome.memory);
    const after = changed(before, outcome);
    return after && { before, after };
  }
}

/** The service after it; undefined when nothing is worth a write. */
function changed(service: Service, { replicas, status }: Outcome): Service | undefined {
  if (replicas !== service.spec.replicated?.replicas)
    return { ...service, spec: { ...service.spec, replicated: { replicas } }, autoscaleStatus: status };
  return isNews(service.autoscaleStatus, status) ? { ...service, autoscaleStatus: status } : undefined;
}

function isNews(before: AutoscaleStatus | undefined, after: AutoscaleStatus): boolean {
  if (!before) return true;
  if (after.observedAt - before.observedAt < STATUS_PERIOD) return false;
  const isOther = (a: number, b: number) => Math.abs(a - b) > Math.max(LEAST, NOTABLE * Math.max(a, b));
  return (
    before.message !== after.message ||
    before.tasks !== after.tasks ||
    isOther(before.cpuPercent, after.cpuPercent) ||
    isOther(before.connectionsPerSecond, after.connectionsPerSecond)
  );
}
