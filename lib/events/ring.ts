import type { Event, Happening, Horizon } from './event.js';

export interface RingOptions {
  readonly scope: 'swarm' | 'local';
  /** Events that are kept at most. */
  readonly maxEvents: number;
}

/** All of a ring: oldest event first. */
export interface RingContents {
  readonly horizon: Horizon;
  readonly events: Iterable<Event>;
}

/** What readers see of a ring. Nothing is kept for them: one that is slow finds that events are gone. */
export interface EventLog {
  readonly horizon: Horizon;
  /** The sequence of the newest event; that of the horizon when there is none. */
  readonly last: number;
  /** Nothing will be appended any more. */
  readonly closed: boolean;
  /** Events after this sequence, oldest first, at most `limit`. */
  read(after: number, limit: number): Event[];
  /** Resolves when there are events after this sequence, the ring was replaced or closed, or the signal aborts. */
  changed(after: number, signal: AbortSignal): Promise<void>;
}

/**
 * The newest events. A function of what was appended alone, so that rings that were given the same
 * are the same. Appending costs a write to an array.
 */
export class EventRing implements EventLog {
  readonly #options: RingOptions;
  /** The event of a sequence is at its remainder by maxEvents. */
  #slots: (Event | undefined)[];
  #horizon: Horizon = { sequence: 0, timeMs: 0 };
  #last = 0;
  #closed = false;
  #newest = { timeMs: 0, timeNs: 0 };
  readonly #waiting = new Set<() => void>();

  constructor(options: RingOptions) {
    this.#options = options;
    this.#slots = new Array(options.maxEvents);
  }

  get horizon(): Horizon {
    return this.#horizon;
  }

  get last(): number {
    return this.#last;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @param timeMs milliseconds since the epoch; events of one millisecond follow each other by nanoseconds */
  append({ type, action, id, attributes }: Happening, timeMs: number): void {
    const timeNs = timeMs === this.#newest.timeMs ? this.#newest.timeNs + 1 : 0;
    const { scope } = this.#options;
    this.#put({ sequence: this.#last + 1, timeMs, timeNs, scope, type, action, id, attributes });
    this.#wake();
  }

  read(after: number, limit: number): Event[] {
    const events: Event[] = [];
    const from = Math.max(after, this.#horizon.sequence) + 1;
    for (let sequence = from; sequence <= this.#last && events.length < limit; sequence++) {
      const event = this.#slots[sequence % this.#options.maxEvents];
      if (event) events.push(event);
    }
    return events;
  }

  changed(after: number, signal: AbortSignal): Promise<void> {
    if (this.#last > after || this.#closed || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  /** What it holds now, whatever is appended later: taken by one copy of an array. */
  capture(): RingContents {
    const slots = this.#slots.slice();
    const horizon = this.#horizon;
    const last = this.#last;
    function* events(): Generator<Event> {
      for (let sequence = horizon.sequence + 1; sequence <= last; sequence++) {
        const event = slots[sequence % slots.length];
        if (event) yield event;
      }
    }
    return { horizon, events: { [Symbol.iterator]: events } };
  }

  /** Puts other contents in the place of its own: those of another ring with the same limits. */
  replace({ horizon, events }: RingContents): void {
    this.#slots = new Array(this.#options.maxEvents);
    this.#horizon = horizon;
    this.#last = horizon.sequence;
    this.#newest = { timeMs: 0, timeNs: 0 };
    for (const event of events) this.#put(event);
    this.#wake();
  }

  /** Ends the waiting of all readers. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  #put(event: Event): void {
    const { maxEvents } = this.#options;
    if (this.#last - this.#horizon.sequence === maxEvents) this.#forget();
    this.#slots[event.sequence % maxEvents] = event;
    this.#last = event.sequence;
    this.#newest = event;
  }

  #forget(): void {
    const sequence = this.#horizon.sequence + 1;
    const slot = sequence % this.#options.maxEvents;
    const event = this.#slots[slot];
    this.#slots[slot] = undefined;
    this.#horizon = { sequence, timeMs: Math.max(this.#horizon.timeMs, event?.timeMs ?? 0) };
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
