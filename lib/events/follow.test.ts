import { expect, test } from 'vitest';
import { ManualClock } from '../clock.js';
import { type EventsPage, type EventsQuestion, followEvents } from './follow.js';
import { EventRing } from './ring.js';

class Fixture {
  readonly clock = new ManualClock(1_000);
  readonly ring: EventRing;
  readonly controller = new AbortController();

  constructor(maxEvents = 2_000) {
    this.ring = new EventRing({ scope: 'swarm', maxEvents });
  }

  happen(...ids: readonly string[]): void {
    for (const id of ids) {
      const happening = { type: 'service', action: 'create', id, attributes: {} };
      this.ring.append(happening, this.clock.now());
    }
  }

  ask(question: Partial<EventsQuestion> = {}): AsyncGenerator<EventsPage> {
    const whole = { since: undefined, until: undefined, after: undefined, filters: [], ...question };
    return followEvents(this.ring, whole, this.clock, this.controller.signal);
  }
}

const next = async (pages: AsyncGenerator<EventsPage>) => {
  const { value, done } = await pages.next();
  return done ? 'end' : { ...value, events: value.events.map(({ id }: { id: string }) => id) };
};
const page = (events: readonly string[], cursor: number, fields: Partial<EventsPage> = {}) => ({
  events,
  cursor,
  synced: false,
  missed: 0,
  forgottenMs: 0,
  ...fields,
});

test('follow - without times only what is new, until the signal', async () => {
  const f = new Fixture();
  f.happen('a');
  const pages = f.ask();
  expect(await next(pages)).toEqual(page([], 1, { synced: true }));
  const waiting = next(pages);
  f.happen('b', 'c');
  expect(await waiting).toEqual(page(['b', 'c'], 3));
  const last = next(pages);
  f.controller.abort();
  expect(await last).toBe('end');
});

test('follow - since and until, both included', async () => {
  const f = new Fixture();
  for (const id of ['a', 'b', 'c', 'd', 'e']) {
    f.happen(id);
    await f.clock.advance(10);
  }
  const pages = f.ask({ since: 1_010, until: 1_030 });
  expect(await next(pages)).toEqual(page(['b', 'c', 'd'], 5, { synced: true }));
  expect(await next(pages)).toBe('end');
});

test('follow - ends when the clock has passed until', async () => {
  const f = new Fixture();
  const pages = f.ask({ until: 1_050 });
  expect(await next(pages)).toEqual(page([], 0, { synced: true }));
  const waiting = next(pages);
  await f.clock.advance(50);
  f.happen('a');
  expect(await waiting).toEqual(page(['a'], 1));
  const last = next(pages);
  await f.clock.advance(1);
  expect(await last).toBe('end');
});

test('follow - resumes after a cursor without loss or repetition', async () => {
  const f = new Fixture();
  f.happen('a', 'b', 'c');
  expect(await next(f.ask({ since: 5_000, after: 1 }))).toEqual(page(['b', 'c'], 3, { synced: true }));
});

test('follow - a reader that stays away for too long is told what it has missed', async () => {
  const f = new Fixture(2);
  const pages = f.ask();
  expect(await next(pages)).toEqual(page([], 0, { synced: true }));
  f.happen('a', 'b', 'c', 'd', 'e');
  expect(await next(pages)).toEqual(page(['d', 'e'], 5, { missed: 3 }));
  expect(await next(f.ask({ after: 1 }))).toEqual(page(['d', 'e'], 5, { missed: 2, synced: true }));
});

test('follow - what is asked for and no longer known is said, and only then', async () => {
  const f = new Fixture(2);
  f.happen('a', 'b');
  await f.clock.advance(10);
  f.happen('c');
  const forgotten = page(['b', 'c'], 3, { synced: true, forgottenMs: 1_000 });
  expect(await next(f.ask({ since: 0 }))).toEqual(forgotten);
  expect(await next(f.ask({ since: 1_001 }))).toEqual(page(['c'], 3, { synced: true }));
  expect(await next(f.ask())).toEqual(page([], 3, { synced: true }));
});

test('follow - more than a page comes in several, synced with the last', async () => {
  const f = new Fixture();
  f.happen(...Array.from({ length: 1_200 }, (_, i) => `s${i}`));
  const pages = f.ask({ since: 0 });
  const sizes: [number, boolean][] = [];
  for (let i = 0; i < 3; i++) {
    const { value } = await pages.next();
    sizes.push([value.events.length, value.synced]);
  }
  expect(sizes).toEqual([
    [500, false],
    [500, false],
    [200, true],
  ]);
});

test('follow - a cursor of another ring, a time that ends before it begins, an unknown filter are refused', async () => {
  const f = new Fixture();
  f.happen('a');
  await expect(f.ask({ after: 2 }).next()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await expect(f.ask({ since: 2, until: 1 }).next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  const filters = [{ key: 'colour', values: ['red'] }];
  await expect(f.ask({ filters }).next()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', value: 'colour' });
});

test('follow - who reads when the ring is closed gets what there is, then is told', async () => {
  const f = new Fixture();
  const pages = f.ask();
  await next(pages);
  f.happen('a');
  f.ring.close();
  expect(await next(pages)).toEqual(page(['a'], 1));
  await expect(pages.next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
