/**
 * `next`, with the objects and lists of `previous` wherever both say the same: who remembers something by object finds
 * it again though all was made anew. Plain objects and lists of the same length or not are compared by their members,
 * in place; all else by identity. Neither is changed.
 */
export function keepEqual<T>(previous: unknown, next: T): T {
  if (Object.is(previous, next)) return next;
  if (Array.isArray(next)) return keepEqualList(Array.isArray(previous) ? previous : [], next) as T;
  if (!isPlain(next) || !isPlain(previous)) return next;
  const keys = Object.keys(next);
  let same = keys.length === Object.keys(previous).length;
  const kept: Record<string, unknown> = {};
  for (const key of keys) {
    const value = keepEqual(previous[key], next[key]);
    kept[key] = value;
    same &&= key in previous && Object.is(value, previous[key]);
  }
  return (same ? previous : kept) as T;
}

/** Members are sought at their place, then as far from it as the lists have moved against each other so far. */
function keepEqualList(previous: readonly unknown[], next: readonly unknown[]): readonly unknown[] {
  let moved = 0;
  let same = previous.length === next.length;
  const kept: unknown[] = [];
  for (let i = 0; i < next.length; i++) {
    const item = next[i];
    const here = previous[i + moved];
    const nearest = Object.is(here, item) ? item : keepEqual(here, item);
    if (Object.is(nearest, here)) {
      same &&= moved === 0;
      kept.push(nearest);
      continue;
    }
    same = false;
    const offset = [moved + 1, moved - 1].find((candidate) => isEqual(previous[i + candidate], item));
    kept.push(offset === undefined ? nearest : previous[i + offset]);
    moved = offset ?? moved;
  }
  return same ? previous : kept;
}

const isEqual = (previous: unknown, next: unknown): boolean => Object.is(keepEqual(previous, next), previous);

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
