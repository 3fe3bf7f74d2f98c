import { expect, test } from 'vitest';
import type { Happening } from './event.js';
import { EventRing } from './ring.js';

const created = (id: string): Happening => ({ type: 'service', action: 'create', id, attributes: { name: id } });
const newRing = (maxEvents = 3) => new EventRing({ scope: 'swarm', maxEvents });
const ids = (ring: EventRing, after = 0, limit = 100) => ring.read(after, limit).map(({ id }) => id);

test('append - events have a place in the ring and, within a millisecond, an order', () => {
  const ring = newRing();
  ring.append(created('a'), 5);
  ring.append(created('b'), 5);
  ring.append(created('c'), 6);
  expect(ring.read(0, 9).map(({ sequence, timeMs, timeNs }) => [sequence, timeMs, timeNs])).toEqual([
    [1, 5, 0],
    [2, 5, 1],
    [3, 6, 0],
  ]);
  expect(ring.last).toBe(3);
  expect(ids(ring, 1, 1)).toEqual(['b']);
});

test('append - what is more than the limit is forgotten, and it is known since when', () => {
  const ring = newRing();
  for (const [i, id] of ['a', 'b', 'c', 'd', 'e'].entries()) ring.append(created(id), 100 - i);
  expect(ids(ring)).toEqual(['c', 'd', 'e']);
  // The clock of the leader that came second was behind: the horizon is the newest time, not the last one.
  expect(ring.horizon).toEqual({ sequence: 2, timeMs: 100 });
});

test('capture - does not see what comes later; another ring goes on from it just the same', () => {
  const ring = newRing();
  for (const id of ['a', 'b', 'c', 'd']) ring.append(created(id), 7);
  const contents = ring.capture();
  const other = newRing();
  ring.append(created('e'), 7);
  other.replace(contents);
  expect(ids(other)).toEqual(['b', 'c', 'd']);
  other.append(created('e'), 7);
  expect(other.read(0, 9)).toEqual(ring.read(0, 9));
  expect(other.horizon).toEqual(ring.horizon);
});

test('replace - an empty ring that has forgotten all goes on counting', () => {
  const ring = newRing();
  ring.replace({ horizon: { sequence: 8, timeMs: 3 }, events: [] });
  ring.append(created('a'), 4);
  expect(ring.read(0, 9).map(({ sequence }) => sequence)).toEqual([9]);
});

test('changed - resolves with the next event, and leaves nothing behind when the signal aborts', async () => {
  const ring = newRing();
  const controller = new AbortController();
  let woken = false;
  const waiting = ring.changed(0, controller.signal).then(() => {
    woken = true;
  });
  await Promise.resolve();
  expect(woken).toBe(false);
  ring.append(created('a'), 1);
  await waiting;
  await ring.changed(0, controller.signal);
  const aborted = ring.changed(1, controller.signal);
  controller.abort();
  await aborted;
});
