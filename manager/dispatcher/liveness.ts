import type { Clock } from '../../lib/clock.js';

interface Watched {
  expiresAt: number;
  cancel: () => void;
}

/** Notices nodes that are silent. One timer per node, moved on only when it runs out. */
export class Liveness {
  readonly #clock: Clock;
  readonly #onSilence: (nodeId: string) => void;
  readonly #nodes = new Map<string, Watched>();

  constructor(clock: Clock, onSilence: (nodeId: string) => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
  }

  /** The node has been heard of: it may be silent for so many milliseconds. */
  heard(nodeId: string, grace: number): void {
    const expiresAt = this.#clock.now() + grace;
    const known = this.#nodes.get(nodeId);
    if (known && known.expiresAt <= expiresAt) {
      known.expiresAt = expiresAt;
      return;
    }
    this.forget(nodeId);
    const watched: Watched = { expiresAt, cancel: () => {} };
    this.#nodes.set(nodeId, watched);
    this.#arm(nodeId, watched);
  }

  /** Whether something will be done about the node's silence. */
  watches(nodeId: string): boolean {
    return this.#nodes.has(nodeId);
  }

  forget(nodeId: string): void {
    this.#nodes.get(nodeId)?.cancel();
    this.#nodes.delete(nodeId);
  }

  clear(): void {
    for (const nodeId of [...this.#nodes.keys()]) this.forget(nodeId);
  }

  #arm(nodeId: string, watched: Watched): void {
    watched.cancel = this.#clock.after(watched.expiresAt - this.#clock.now(), () => {
      if (watched.expiresAt > this.#clock.now()) {
        this.#arm(nodeId, watched);
        return;
      }
      this.#nodes.delete(nodeId);
      this.#onSilence(nodeId);
    });
  }
}
