import type { Clock } from '../../lib/clock.js';
import type { Happening } from '../../lib/events/event.js';
import { type EventLog, EventRing } from '../../lib/events/ring.js';

const MAX_EVENTS = 5_000;
/** Events in a millisecond that no daemon has for long: so the cursors of the one before are older than its own. */
const PER_MS = 1_000;

/** What happens on this machine, for as long as its daemon runs. */
export class LocalEvents {
  readonly #ring = new EventRing({ scope: 'local', maxEvents: MAX_EVENTS });
  readonly #clock: Pick<Clock, 'now'>;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
    const timeMs = clock.now();
    this.#ring.replace({ horizon: { sequence: timeMs * PER_MS, timeMs }, events: [] });
  }

  get log(): EventLog {
    return this.#ring;
  }

  tell(happening: Happening): void {
    this.#ring.append(happening, this.#clock.now());
  }

  /** Ends the waiting of who follows them. */
  close(): void {
    this.#ring.close();
  }
}
