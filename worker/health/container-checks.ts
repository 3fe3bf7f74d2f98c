import type { Clock } from '../../lib/clock.js';
import { type ContainerHealth, HealthCheckResult } from '../../proto/gen/index.js';
import { type ContainerCheck, checkCommand } from '../executor/health-check.js';
import { type CheckContext, NO_EXIT_CODE, runCheck } from './check.js';
import { afterCheck, type CheckRules, checkRules, nextCheckIn } from './health.js';

export interface CheckedRun {
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly check: ContainerCheck;
}

export interface ChecksOptions extends CheckContext {
  readonly run: CheckedRun;
  readonly health: ContainerHealth;
  /** After each check; the next one waits for it. */
  onHealth(health: ContainerHealth, before: ContainerHealth): Promise<void>;
  /** Whether the container still runs; not from its end on, before anybody else knows of that. */
  runs(): Promise<boolean>;
}

/** The checks of one run of a container, one after another: there is one timer, or one check, at a time. */
export class ContainerChecks {
  readonly #options: ChecksOptions;
  readonly #rules: CheckRules;
  readonly #clock: Clock;
  #health: ContainerHealth;
  #cancel = () => {};
  #stopped = false;
  /** The check before was over its time, and its process is still there. */
  #lingers = false;

  constructor(options: ChecksOptions) {
    this.#options = options;
    this.#rules = checkRules(options.run.check.config);
    this.#clock = options.clock;
    this.#health = options.health;
    this.#schedule();
  }

  get health(): ContainerHealth {
    return this.#health;
  }

  /** No more checks, and no result of one that is under way: that ends by itself, at the latest after its time. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #schedule(): void {
    if (this.#stopped) return;
    const age = this.#clock.now() - this.#options.run.startedAt;
    const ms = nextCheckIn(this.#health, this.#rules, age);
    this.#cancel = this.#clock.after(ms, () => void this.#turn());
  }

  async #turn(): Promise<void> {
    const result = await this.#check();
    // The end of a container is also that of its checks: such a failure says nothing.
    const counts = !this.#stopped && (result.exitCode === 0 || (await this.#options.runs()));
    if (!this.#stopped && counts) {
      const before = this.#health;
      this.#health = afterCheck(before, result, this.#rules, this.#options.run.startedAt);
      await this.#options.onHealth(this.#health, before);
    }
    this.#schedule();
  }

  async #check(): Promise<HealthCheckResult> {
    const { run } = this.#options;
    if (this.#lingers) {
      const now = this.#clock.now();
      const output = 'The health check before was killed when its time was over, and has not ended yet';
      return HealthCheckResult.create({ startedAt: now, endedAt: now, exitCode: NO_EXIT_CODE, output });
    }
    const { result, gone } = await runCheck(run.id, checkCommand(run.check), this.#rules.timeout, this.#options);
    this.#lingers = true;
    void gone.then(() => {
      this.#lingers = false;
    });
    return result;
  }
}
