import type { Clock } from '../../lib/clock.js';
import type { Received } from '../../proto/rpc/connections.js';

/**
 * Milliseconds from one look at what has come over connections to the next: of a grace of three pings' time a sixth, by
 * which a node may be taken for silent too early.
 */
const LOOK = 2_500;
/**
 * A timer that runs so much too late, in milliseconds, says that this process has stood still: what has come meanwhile
 * has not been read, and is waited for that long.
 */
const LATE = 500;

interface Watched {
  expiresAt: number;
  cancel: () => void;
  grace: number;
  pulse: Received | undefined;
  /** As of the last look. */
  received: number;
}

/**
 * Notices nodes that are silent. One timer per node, moved on only when it runs out, and one for all connections: what
 * comes over those is only looked at, which costs next to nothing.
 */
export class Liveness {
  readonly #clock: Clock;
  readonly #onSilence: (nodeId: string) => void;
  readonly #nodes = new Map<string, Watched>();
  /** Of nodes with a pulse. */
  readonly #pulses = new Set<Watched>();
  #lookedAt = 0;
  #cancelLook: (() => void) | undefined;

  constructor(clock: Clock, onSilence: (nodeId: string) => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
  }

  /**
   * The node has been heard of: it may be silent for so many milliseconds.
   * @param pulse while it grows the node is heard of, too
   */
  heard(nodeId: string, grace: number, pulse?: Received): void {
    const expiresAt = this.#clock.monotonic() + grace;
    const known = this.#nodes.get(nodeId);
    if (known && known.expiresAt <= expiresAt) {
      known.expiresAt = expiresAt;
      known.grace = grace;
      if (known.pulse !== pulse) this.#follow(known, pulse);
      return;
    }
    this.forget(nodeId);
    const watched: Watched = { expiresAt, cancel: () => {}, grace, pulse: undefined, received: 0 };
    this.#nodes.set(nodeId, watched);
    this.#follow(watched, pulse);
    this.#arm(nodeId, watched);
  }

  /** What comes over the node's connection is no sign of it any more; what has come stands. */
  pulseEnded(nodeId: string): void {
    const watched = this.#nodes.get(nodeId);
    if (!watched?.pulse) return;
    this.#look(watched);
    this.#follow(watched, undefined);
  }

  /** Whether something will be done about the node's silence. */
  watches(nodeId: string): boolean {
    return this.#nodes.has(nodeId);
  }

  forget(nodeId: string): void {
    const watched = this.#nodes.get(nodeId);
    if (!watched) return;
    watched.cancel();
    this.#follow(watched, undefined);
    this.#nodes.delete(nodeId);
  }

  clear(): void {
    for (const nodeId of [...this.#nodes.keys()]) this.forget(nodeId);
  }

  #arm(nodeId: string, watched: Watched): void {
    const dueAt = watched.expiresAt;
    watched.cancel = this.#clock.after(dueAt - this.#clock.monotonic(), () => {
      const now = this.#clock.monotonic();
      if (watched.expiresAt <= now && now - dueAt > LATE) watched.expiresAt = now + LATE;
      if (watched.expiresAt > now) {
        this.#arm(nodeId, watched);
        return;
      }
      this.forget(nodeId);
      this.#onSilence(nodeId);
    });
  }

  // ---- pulses --------------------------------------------------------------------------------

  #follow(watched: Watched, pulse: Received | undefined): void {
    watched.pulse = pulse;
    watched.received = pulse?.() ?? 0;
    if (pulse) this.#pulses.add(watched);
    else this.#pulses.delete(watched);
    if (this.#pulses.size > 0 && !this.#cancelLook) this.#lookSoon();
    if (this.#pulses.size > 0) return;
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  #lookSoon(): void {
    this.#lookedAt = this.#clock.monotonic();
    this.#cancelLook = this.#clock.after(LOOK, () => {
      for (const watched of this.#pulses) this.#look(watched);
      this.#lookSoon();
    });
  }

  /** What has come since the last look may have come right after it. */
  #look(watched: Watched): void {
    const received = watched.pulse?.() ?? 0;
    if (received === watched.received) return;
    watched.received = received;
    watched.expiresAt = Math.max(watched.expiresAt, this.#lookedAt + watched.grace);
  }
}
