import type { Clock } from '../../../lib/clock.js';
import type { RawNode } from '../core/raw-node.js';
import { None } from '../core/types.js';
import type { Leadership } from './leadership.js';
import { CAMPAIGN_SPREAD, CAMPAIGNS } from './settings.js';

export interface SuccessionOptions {
  readonly leadership: Leadership;
  readonly clock: Clock;
  readonly random: () => number;
  /** Gives the core an input. */
  readonly input: (change: (raw: RawNode) => void) => void;
}

/**
 * What a member does when the leader's process is gone, which its machine says at once. No need to wait for the
 * time-out of a silent one: this member campaigns, after a moment that is another one for each. Should the leader
 * live, the others, who still hear it, refuse the pre-vote.
 */
export class Succession {
  readonly #options: SuccessionOptions;
  #cancel: () => void = () => {};

  constructor(options: SuccessionOptions) {
    this.#options = options;
  }

  begin(): void {
    const { input, random } = this.#options;
    input((raw) => raw.forgetLeader());
    this.#after(random() * CAMPAIGN_SPREAD, CAMPAIGNS);
  }

  stop(): void {
    this.#cancel();
  }

  /** Again when it fails: others may have learned later that the leader is gone, and have refused their vote. */
  #after(delay: number, times: number): void {
    const { leadership, clock, random, input } = this.#options;
    this.#cancel();
    if (times === 0) return;
    this.#cancel = clock.after(delay, () => {
      if (leadership.lead !== None) return;
      input((raw) => raw.campaign());
      this.#after((1 + random()) * CAMPAIGN_SPREAD, times - 1);
    });
  }
}
