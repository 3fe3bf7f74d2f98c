import { Serial } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import { Limiter } from '../../lib/limiter.js';
import type { Logger } from '../../lib/log.js';
import { type ContainerHealth, HealthStateName, StoredHealth } from '../../proto/gen/index.js';
import { Store } from '../containers/store.js';
import type { ContainerState, Executor } from '../executor/executor.js';
import type { InteractiveExecutor } from '../executor/interactive.js';
import { ContainerChecks } from './container-checks.js';
import { newHealth } from './health.js';

/** More at a time only wait for a processor; what comes first are the starts of containers. */
const PARALLEL_STARTS = 2;

export interface HealthMonitorOptions {
  readonly executor: Pick<Executor, 'isAlive'> & Pick<InteractiveExecutor, 'exec'>;
  readonly store: Pick<Store<StoredHealth>, 'put' | 'delete'>;
  /** Told the status of a container, as "healthy", when it is another. */
  readonly onStatus?: (id: string, status: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface HealthResults {
  readonly passed: number;
  readonly failed: number;
}

/** Checks the containers that run and have a check, and knows the health of each one's last run. */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  /** Writes of one record must not overlap. */
  readonly #writes = new Serial();
  readonly #starts = new Limiter(PARALLEL_STARTS);
  readonly #known = new Map<string, StoredHealth>();
  readonly #checks = new Map<string, ContainerChecks>();
  readonly #results = { passed: 0, failed: 0 };

  /** @param stored what was known before a restart of the daemon */
  constructor(options: HealthMonitorOptions, stored: readonly StoredHealth[]) {
    this.#options = options;
    for (const record of stored) this.#known.set(record.id, record);
  }

  /** @param folder of the records; of containers that are not there any more they are deleted */
  static async open(
    folder: string,
    options: Omit<HealthMonitorOptions, 'store'> & { readonly executor: Executor & InteractiveExecutor },
  ): Promise<HealthMonitor> {
    const store = await Store.open(folder, StoredHealth, options.log);
    const [stored, containers] = await Promise.all([store.all(), options.executor.list()]);
    const runs = new Map(containers.map(({ id, startedAt }) => [id, startedAt]));
    const isOver = ({ id, startedAt }: StoredHealth) => runs.get(id) !== startedAt;
    await Promise.all(stored.filter(isOver).map(({ id }) => store.delete(id)));
    return new HealthMonitor(
      { ...options, store },
      stored.filter((record) => !isOver(record)),
    );
  }

  /** Of the container's last run; undefined when it has no check. */
  of(id: string): ContainerHealth | undefined {
    return this.#known.get(id)?.health;
  }

  /** Checks that have ended, since this monitor was opened. */
  get results(): HealthResults {
    return { ...this.#results };
  }

  /**
   * Begins to check a container that runs; nothing happens without a check.
   * @param changed when its status is another, which is on record then
   * @returns ends it
   */
  watch({ id, startedAt, check }: ContainerState, changed: () => void): () => void {
    if (!check) return () => {};
    const known = this.#known.get(id);
    const health = known?.startedAt === startedAt ? known.health : newHealth(startedAt);
    this.#known.set(id, { id, startedAt, health });
    const { executor, clock } = this.#options;
    const checks = new ContainerChecks({
      run: { id, startedAt, check },
      health,
      exec: (container, settings) => executor.exec(container, settings),
      starts: this.#starts,
      clock,
      runs: () => executor.isAlive(id),
      onHealth: async (next, before) => {
        const record = { id, startedAt, health: next };
        this.#known.set(id, record);
        this.#results[next.log.at(-1)?.exitCode === 0 ? 'passed' : 'failed']++;
        if (next.status === before.status) return;
        await this.#save(record);
        this.#options.onStatus?.(id, HealthStateName[next.status].toLowerCase());
        changed();
      },
    });
    this.#checks.get(id)?.stop();
    this.#checks.set(id, checks);
    return () => {
      checks.stop();
      if (this.#checks.get(id) === checks) this.#checks.delete(id);
    };
  }

  /** Of a container that was removed. */
  async forget(id: string): Promise<void> {
    this.#checks.get(id)?.stop();
    this.#checks.delete(id);
    if (this.#known.delete(id)) await this.#writes.run(() => this.#options.store.delete(id));
  }

  async #save(record: StoredHealth): Promise<void> {
    const { store, log } = this.#options;
    const fields = { container: record.id, health: HealthStateName[record.health.status] };
    log.info(fields, 'the health of a container has changed');
    try {
      await this.#writes.run(async () => {
        if (this.#known.get(record.id) === record) await store.put(record);
      });
    } catch (error) {
      // It holds all the same; only a restart of the daemon would not know of it.
      log.error({ ...fields, err: error }, `the health of a container cannot be saved: ${messageOf(error)}`);
    }
  }
}
