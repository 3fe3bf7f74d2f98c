import type { Standing } from '../../store/proposer.js';
import { type Entry, type NodeId, None, type SoftState, type Term } from '../core/types.js';

/**
 * What the core's role means to those who write. A new leader may take proposals only when it has
 * applied the first entry of its own term: before that it may not have applied what an earlier leader
 * acknowledged, and a change made from its state would be one of an old state.
 */
export class Leadership {
  readonly #self: NodeId;
  readonly #addressOf: (id: NodeId) => string | undefined;
  readonly #listeners = new Set<(standing: Standing) => void>();
  #lead: NodeId = None;
  /** The term that this node leads; 0 when it does not. */
  #term: Term = 0;
  #ready = false;
  #standing: Standing = { leading: false, leader: undefined };

  constructor(self: NodeId, addressOf: (id: NodeId) => string | undefined) {
    this.#self = self;
    this.#addressOf = addressOf;
  }

  get lead(): NodeId {
    return this.#lead;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** @param term the node's own */
  soft({ lead, raftState }: SoftState, term: Term): void {
    const leads = raftState === 'StateLeader';
    if (!leads || this.#term !== term) this.#ready = false;
    this.#term = leads ? term : 0;
    this.#lead = lead;
    this.refresh();
  }

  applied({ term }: Entry): void {
    if (this.#ready || this.#term === 0 || term !== this.#term) return;
    this.#ready = true;
    this.refresh();
  }

  /** Looks up the leader's address anew. */
  refresh(): void {
    const own = this.#lead === this.#self;
    const leading = this.#ready && own;
    // Who is about to lead would only be asked to wait for itself.
    const known = this.#lead !== None && (leading || !own);
    const leader = known ? this.#addressOf(this.#lead) : undefined;
    if (leading === this.#standing.leading && leader === this.#standing.leader) return;
    this.#standing = { leading, leader };
    for (const listener of this.#listeners) listener(this.#standing);
  }

  listen(listener: (standing: Standing) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when `holds`. @throws the signal's reason when aborted before */
  until(holds: (leadership: Leadership) => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!signal.aborted && !holds(this)) return;
        end();
        signal.removeEventListener('abort', check);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      };
      const end = this.listen(check);
      signal.addEventListener('abort', check, { once: true });
      check();
    });
  }
}
