import { yieldToLoop } from '../async.js';
import type { Clock } from '../clock.js';
import { failedPrecondition, invalidArgument, unavailable } from '../errors.js';
import type { Filter } from '../filters.js';
import type { Event } from './event.js';
import { eventFilter } from './filter.js';
import type { EventLog } from './ring.js';

/** As the messages of the same names. */
export interface EventsQuestion {
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly after: number | undefined;
  readonly filters: readonly Filter[];
}

export interface EventsPage {
  readonly events: Event[];
  readonly cursor: number;
  readonly synced: boolean;
  readonly missed: number;
  readonly forgottenMs: number;
}

/** Events that are looked at for one message: small enough not to hold up anything else. */
const PAGE = 500;

/**
 * Events from a ring, then each as it comes, until the time or the signal. Of the past it gives what is asked
 * for by `since` or `after`; a page that is `synced` ends it. The reader's pace is the generator's: a slow one
 * is told how many events went by.
 * @throws INVALID_ARGUMENT for a filter that is not known, or a time that ends before it begins
 * @throws UNAVAILABLE when the ring is closed: another one may have what follows
 * @throws FAILED_PRECONDITION for a cursor that is not one of this ring's
 */
export async function* followEvents(
  ring: EventLog,
  question: EventsQuestion,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<EventsPage> {
  const { since, until, after, filters } = question;
  const matches = eventFilter(filters);
  if (since !== undefined && until !== undefined && since > until)
    throw invalidArgument(`since (${iso(since)}) is later than until (${iso(until)})`, { value: iso(since) });
  if (after !== undefined && after > ring.last)
    throw failedPrecondition(`event ${after} is not known: the last one is ${ring.last}`, { value: String(after) });
  const past = ring.last;
  const wantsPast = since !== undefined || until !== undefined;
  let cursor = after ?? (wantsPast ? ring.horizon.sequence : past);
  let forgottenMs = after === undefined && wantsPast && (since ?? 0) <= ring.horizon.timeMs ? ring.horizon.timeMs : 0;
  const isAsked = (event: Event): boolean =>
    (until === undefined || event.timeMs <= until) &&
    (after !== undefined || event.sequence > past || event.timeMs >= (since ?? 0)) &&
    matches(event);
  const over = new AbortController();
  // What happens in the last millisecond is asked for too.
  const cancel = until === undefined ? () => {} : clock.after(Math.max(0, until + 1 - clock.now()), () => over.abort());
  if (until !== undefined && clock.now() > until) over.abort();
  const ended = AbortSignal.any([signal, over.signal]);
  try {
    for (let synced = false; !signal.aborted; ) {
      const missed = Math.max(0, ring.horizon.sequence - cursor);
      const looked = ring.read(cursor, PAGE);
      cursor = looked.at(-1)?.sequence ?? Math.max(cursor, ring.horizon.sequence);
      const events = looked.filter(isAsked);
      const isNowSynced: boolean = !synced && cursor >= past;
      synced ||= isNowSynced;
      if (events.length > 0 || missed > 0 || isNowSynced || forgottenMs > 0)
        yield { events, cursor, synced: isNowSynced, missed, forgottenMs };
      forgottenMs = 0;
      if (ring.last > cursor) await yieldToLoop();
      else if (ended.aborted) return;
      else if (ring.closed) throw unavailable('who keeps these events is stopping');
      else await ring.changed(cursor, ended);
    }
  } finally {
    cancel();
  }
}

const iso = (ms: number): string => new Date(ms).toISOString();
