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
  // Without lists of their keys: there are tens of thousands of small objects.
  let same = true;
  let more = 0;
  for (const _ in previous) more++;
  let kept: Record<string, unknown> | undefined;
  for (const key in next) {
    more--;
    const value = keepEqual(previous[key], next[key]);
    same &&= key in previous && Object.is(value, previous[key]);
    if (Object.is(value, next[key])) continue;
    kept ??= { ...next };
    kept[key] = value;
  }
  return (same && more === 0 ? previous : (kept ?? next)) as T;
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
    if (id !== undefined && idOf(previous[i + moved]) !== id) {
      places ??= placesOf(previous);
      const place = places.get(id);
      moved = place === undefined ? moved - 1 : place - i;
      if (place === undefined) {
        same = false;
        continue;
      }
    }
    const here = previous[i + moved];
    const nearest = Object.is(here, item) ? item : keepEqual(here, item);
    let answer = nearest;
    if (Object.is(nearest, here)) same &&= moved === 0;
    else {
      same = false;
      const near = id === undefined ? [moved + 1, moved - 1] : [];
      const offset = near.find((candidate) => isEqual(previous[i + candidate], item));
      if (offset !== undefined) {
        answer = previous[i + offset];
        moved = offset;
      }
    }
    if (Object.is(answer, item)) continue;
    kept ??= [...next];
    kept[i] = answer;
  }
  return same ? previous : (kept ?? next);
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
