import { unavailable } from '../../lib/errors.js';
import type { Proposer, Standing, StateMachine } from './proposer.js';

/** A log that keeps nothing: what it applies is gone with the process. For tests and simulations. */
export class VolatileLog implements Proposer {
  #machine: StateMachine | undefined;
  #index = 0;

  async start(machine: StateMachine): Promise<void> {
    this.#machine = machine;
  }

  async propose(payload: Uint8Array): Promise<number> {
    if (!this.#machine) throw unavailable('the log is not open');
    this.#index++;
    this.#machine.apply(this.#index, payload);
    return this.#index;
  }

  async barrier(): Promise<void> {}

  standing(): Standing {
    return { leading: true, leader: undefined };
  }

  /** It leads for as long as it is open. */
  onStanding(): () => void {
    return () => {};
  }

  async stop(): Promise<void> {
    this.#machine = undefined;
  }
}
