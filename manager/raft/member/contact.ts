import type { ProgressMap } from '../core/tracker/tracker.js';
import type { NodeId } from '../core/types.js';
import { ELECTION_TICKS } from './settings.js';

/**
 * When the leader heard from each member last. The core forgets who was active each time it checks its
 * quorum; here that is remembered for as long as a leader may be silent.
 */
export class Contact {
  readonly #heard = new Map<NodeId, number>();
  #ticks = 0;

  /** To be called before a leader counts so many ticks. */
  tick(progress: ProgressMap, count: number): void {
    this.#ticks += count;
    for (const [id, { recentActive }] of progress) if (recentActive) this.#heard.set(id, this.#ticks);
    for (const id of this.#heard.keys()) if (!progress.has(id)) this.#heard.delete(id);
  }

  /** Another one leads. */
  clear(): void {
    this.#heard.clear();
    this.#ticks = 0;
  }

  /** Whether it has answered this leader, and lately. */
  hasAnswered(id: NodeId): boolean {
    return this.#heard.has(id) && this.isReachable(id);
  }

  /** A new leader has not asked anyone yet: it takes all for reachable until they had time to answer. */
  isReachable(id: NodeId): boolean {
    return this.#ticks - (this.#heard.get(id) ?? 0) <= 2 * ELECTION_TICKS;
  }
}
