import type { Clock } from '../../lib/clock.js';
import { rememberedOf } from '../../lib/remembered.js';
import type { DesiredState, Sandbox } from '../state.js';

/** Rests are this many times as long as the pass before, so that passes take at most a third of the time. */
const REST_RATIO = 2;
/** Milliseconds. */
const LONGEST_REST = 60;

/**
 * Says when a pass may begin. Where many tasks come up, their addresses become known one by one, and each
 * changes a rule in every sandbox that reaches them: with a rest after a pass, the next one does several of
 * these changes at once. A pass that makes a sandbox, or gives one an endpoint, does not wait, for a task does: a
 * container's namespace may be there before managers have told of its endpoint.
 */
export class Pace {
  readonly #clock: Clock;
  #restUntil = 0;
  /** Endpoints of the last pass: network and address, by sandbox. */
  #endpoints: ReadonlyMap<string, ReadonlySet<string>> = new Map();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async ready(desired: DesiredState | undefined): Promise<void> {
    const rest = this.#restUntil - this.#clock.now();
    if (rest <= 0 || desired?.sandboxes.some((sandbox) => this.#isAwaited(sandbox))) return;
    // Not longer than a rest may be, even when the clock was set back.
    await this.#clock.sleep(Math.min(rest, LONGEST_REST));
  }

  /** A pass that makes the desired state. */
  async measure<T>(desired: DesiredState | undefined, pass: () => Promise<T>): Promise<T> {
    const start = this.#clock.now();
    this.#endpoints = new Map(desired?.sandboxes.map((sandbox) => [sandbox.id, endpointsOf(sandbox)]));
    try {
      return await pass();
    } finally {
      const end = this.#clock.now();
      this.#restUntil = end + Math.min(LONGEST_REST, REST_RATIO * (end - start));
    }
  }

  /** It was not there in the last pass, or had not all of its endpoints. */
  #isAwaited(sandbox: Sandbox): boolean {
    const known = this.#endpoints.get(sandbox.id);
    if (!known) return true;
    for (const endpoint of endpointsOf(sandbox)) if (!known.has(endpoint)) return true;
    return false;
  }
}

const endpointsOf = rememberedOf(
  ({ endpoints }: Sandbox): ReadonlySet<string> =>
    new Set(endpoints.map(({ networkId, addresses }) => `${networkId} ${addresses.join()}`)),
);
