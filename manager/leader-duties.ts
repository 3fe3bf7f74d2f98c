import { setMaxListeners } from 'node:events';
import type { Standing } from './store/proposer.js';

/** Where the standing comes from. */
export interface StandingSource {
  standing(): Standing;
  onStanding(listener: (standing: Standing) => void): () => void;
}

/**
 * Does what only the leader does, for as long as this manager leads: begun when it starts to lead,
 * aborted when it stops, and never begun again before the last time has ended, so that no loop of a
 * lost leadership writes into a new one.
 */
export class LeaderDuties {
  readonly #source: StandingSource;
  readonly #duties: (signal: AbortSignal) => Promise<unknown>;
  #unlisten: () => void = () => {};
  #ending: AbortController | undefined;
  #running: Promise<unknown> = Promise.resolve();

  /** @param duties resolves when the signal has aborted and all is ended; does not throw */
  constructor(source: StandingSource, duties: (signal: AbortSignal) => Promise<unknown>) {
    this.#source = source;
    this.#duties = duties;
  }

  start(): void {
    this.#unlisten = this.#source.onStanding((standing) => this.#become(standing));
    this.#become(this.#source.standing());
  }

  async stop(): Promise<void> {
    this.#unlisten();
    this.#ending?.abort();
    await this.#running;
  }

  #become({ leading }: Standing): void {
    if (leading === (this.#ending !== undefined)) return;
    this.#ending?.abort();
    this.#ending = undefined;
    if (!leading) return;
    this.#ending = new AbortController();
    const { signal } = this.#ending;
    // Each duty listens, and there are more than the ten after which Node.js warns of a leak.
    setMaxListeners(0, signal);
    this.#running = this.#running.then(() => (signal.aborted ? undefined : this.#duties(signal)));
  }
}
