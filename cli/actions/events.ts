import { AsyncQueue } from '../../lib/async.js';
import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { messageOf, unavailable } from '../../lib/errors.js';
import { type Event, type EventsMessage, EventsRequest } from '../../proto/gen/events.js';
import type { CallOptions } from '../../proto/rpc/client.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { instantOf } from '../flags/instant.js';
import { eventRenderer } from '../format/event-lines.js';
import { isPassing } from '../retry.js';
import { filtersOf } from './refs.js';

/** Where events come from. */
export interface EventSource {
  /** Whose events they are, as in `events of the swarm`. */
  readonly of: string;
  readonly open: (request: EventsRequest, options: CallOptions) => AsyncIterable<EventsMessage>;
}

/** Prints what has happened, by time, then what happens, as it comes. */
export async function showEvents(context: Context, flags: Flags): Promise<void> {
  const { io } = context;
  const now = io.clock.now();
  const request = EventsRequest.create({
    since: instantOf(flags, 'since', now),
    until: instantOf(flags, 'until', now),
    filters: filtersOf(flags),
  });
  const render = eventRenderer(flags.text('format'));
  const sources = await sourcesOf(context, request.filters);
  for await (const item of merged(sources, request, io.clock)) {
    if (typeof item === 'string') io.err(`Warning: ${item}\n`);
    else io.out(render(item));
  }
}

/** Both where there are both, but for the scope that is asked for. */
async function sourcesOf(context: Context, filters: EventsRequest['filters']): Promise<readonly EventSource[]> {
  const [scope, other] = filters.find(({ key }) => key === 'scope')?.values ?? [];
  const only = other === undefined ? scope : undefined;
  const sources: EventSource[] = [];
  if (only !== 'swarm') {
    const containers = await context.containers();
    sources.push({ of: 'this machine', open: (request, options) => containers.localEvents(request, options) });
  }
  const isAsked = only === 'swarm' || (only !== 'local' && (await (await context.agent()).info({})).controlAvailable);
  if (isAsked) {
    const control = await context.control();
    sources.push({ of: 'the swarm', open: (request, options) => control.events(request, options) });
  }
  return sources;
}

/**
 * Events of all sources, and words about those that nobody knows any more. What has happened before the question
 * comes in the order of time; after that, each event comes at once.
 */
export async function* merged(
  sources: readonly EventSource[],
  request: EventsRequest,
  clock: Clock,
): AsyncGenerator<Event | string> {
  const queue = new AsyncQueue<{ readonly source: EventSource; readonly message: EventsMessage }>();
  const stopped = new AbortController();
  const reading = sources.map(async (source) => {
    for await (const message of resumed(source, request, clock, stopped.signal)) queue.push({ source, message });
  });
  void Promise.all(reading).then(
    () => queue.end(),
    (error: unknown) => queue.fail(error),
  );
  try {
    const past = new Map<EventSource, Event[]>(sources.map((source) => [source, []]));
    for (let behind = sources.length; await queue.ready(); ) {
      for (const { source, message } of queue.drain()) {
        yield* warnings(source, message);
        if (behind === 0) yield* message.events;
        else past.get(source)?.push(...message.events);
        if (message.synced && --behind === 0) yield* byTime([...past.values()]);
      }
    }
  } finally {
    stopped.abort();
    await Promise.allSettled(reading);
  }
}

/** Milliseconds for which nobody need answer: managers change places in less, and daemons restart. */
const PATIENCE = 30_000;

/** The messages of a source: when its stream breaks off, it goes on after the last one. */
async function* resumed(
  { of, open }: EventSource,
  request: EventsRequest,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<EventsMessage> {
  const backoff = new Backoff({ initial: 100, max: 2_000 });
  let after = request.after;
  let isSynced = false;
  for (let broken: number | undefined; ; ) {
    try {
      for await (const message of open({ ...request, after }, { signal })) {
        broken = undefined;
        backoff.reset();
        after = message.cursor;
        // The past of a question that is asked again is what happened in between.
        yield isSynced ? { ...message, synced: false } : message;
        isSynced ||= message.synced;
      }
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error) || after === undefined) throw error;
      broken ??= clock.monotonic();
      if (clock.monotonic() - broken >= PATIENCE) {
        throw unavailable(`the events of ${of} have broken off: ${messageOf(error)}`, {
          hint: 'Run the command again; --since shows what has happened meanwhile.',
          cause: error,
        });
      }
    }
    await clock.sleep(backoff.next(), signal).catch(() => undefined);
  }
}

function* warnings({ of }: EventSource, { missed, forgottenMs }: EventsMessage): Generator<string> {
  if (forgottenMs > 0) yield `events of ${of} before ${new Date(forgottenMs).toISOString()} are no longer known`;
  if (missed > 0) yield `events of ${of} went by unseen, and are no longer known`;
}

/** Lists as one, by time; what is before another event in its own list stays so, whatever the clocks say. */
function* byTime(lists: readonly Event[][]): Generator<Event> {
  const places = lists.map((events) => ({ events, next: 0 }));
  for (;;) {
    let first: { readonly place: (typeof places)[number]; readonly event: Event } | undefined;
    for (const place of places) {
      const event = place.events[place.next];
      if (event && (!first || isEarlier(event, first.event))) first = { place, event };
    }
    if (!first) return;
    first.place.next++;
    yield first.event;
  }
}

const isEarlier = (a: Event, b: Event): boolean => (a.timeMs - b.timeMs || a.timeNs - b.timeNs) < 0;
