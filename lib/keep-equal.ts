import { commonEnds } from './common-ends.js';

/**
 * `next`, with the objects and lists of `previous` wherever both say the same: who remembers something by object finds
 * it again though all was made anew. Plain objects and lists of the same length or not are compared by their members,
 * in place; all else by identity. What has nothing of `previous` in it is the object of `next`. Neither is changed.
 */
export function keepEqual<T>(previous: unknown, next: T): T {
  if (Object.is(previous, next)) return next;
  if (Array.isArray(next)) return keepEqualList(Array.isArray(previous) ? previous : [], next) as T;
  if (!isPlain(next) || !isPlain(previous)) return next;
  // Without lists of their keys, and without a copy of what turns out to be the same: there are tens of thousands of
  // small objects.
  let more = 0;
  for (const _ in previous) more++;
  for (const _ in next) more--;
  let same = more === 0;
  let kept: Record<string, unknown> | undefined;
  for (const key in next) {
    const value = keepEqual(previous[key], next[key]);
    if (same && !(key in previous && Object.is(value, previous[key]))) {
      same = false;
      kept = withFormer(previous, next, key);
    }
    if (same || Object.is(value, next[key])) continue;
    kept ??= { ...next };
    kept[key] = value;
  }
  return (same ? previous : (kept ?? next)) as T;
}

/** `next` with what comes before a key in it as `previous` has it, where that is another object. */
function withFormer(previous: Record<string, unknown>, next: Record<string, unknown>, end: string) {
  let kept: Record<string, unknown> | undefined;
  for (const key in next) {
    if (key === end) break;
    if (Object.is(previous[key], next[key])) continue;
    kept ??= { ...next };
    kept[key] = previous[key];
  }
  return kept;
}

/**
 * Members with an `id` are sought by that, wherever they are; others at their place, then as far from it as the lists
 * have moved against each other so far.
 */
function keepEqualList(previous: readonly unknown[], next: readonly unknown[]): readonly unknown[] {
  const { start, tail } = commonEnds(previous, next);
  const end = next.length - tail;
  let places: ReadonlyMap<string, number> | undefined;
  let moved = 0;
  let same = previous.length === next.length;
  let kept: unknown[] | undefined;
  for (let i = start; i < end; i++) {
    const item = next[i];
    const id = idOf(item);
    let answer = item;
    let isNew = false;
    if (id !== undefined && idOf(previous[i + moved]) !== id) {
      places ??= placesOf(previous);
      const place = places.get(id);
      moved = place === undefined ? moved - 1 : place - i;
      isNew = place === undefined;
    }
    if (!isNew) {
      const here = previous[i + moved];
      answer = Object.is(here, item) ? item : keepEqual(here, item);
      if (!Object.is(answer, here) && id === undefined) {
        const offset = [moved + 1, moved - 1].find((candidate) => isEqual(previous[i + candidate], item));
        if (offset !== undefined) {
          answer = previous[i + offset];
          moved = offset;
        }
      }
    }
    if (same && !(moved === 0 && Object.is(answer, previous[i]))) {
      same = false;
      // All before this one are `previous`'s own.
      if (firstOther(previous, next, start, i) < i) kept = [...previous.slice(0, i), ...next.slice(i)];
    }
    if (same || Object.is(answer, item)) continue;
    kept ??= [...next];
    kept[i] = answer;
  }
  return same ? previous : (kept ?? next);
}

/** The first place from which on two lists have not the same objects; `end` when they have. */
function firstOther(a: readonly unknown[], b: readonly unknown[], start: number, end: number): number {
  let place = start;
  while (place < end && Object.is(a[place], b[place])) place++;
  return place;
}

function idOf(value: unknown): string | undefined {
  return isPlain(value) && typeof value.id === 'string' ? value.id : undefined;
}

function placesOf(list: readonly unknown[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (const [place, item] of list.entries()) {
    const id = idOf(item);
    if (id !== undefined) places.set(id, place);
  }
  return places;
}

const isEqual = (previous: unknown, next: unknown): boolean => Object.is(keepEqual(previous, next), previous);

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
