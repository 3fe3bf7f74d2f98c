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
  const kept = next.map((item, i) => {
    const [here, ...others] = [moved, moved + 1, moved - 1].map((offset) => ({
      offset,
      candidate: previous[i + offset],
    }));
    const nearest = keepEqual(here?.candidate, item);
    if (Object.is(nearest, here?.candidate)) {
      same &&= moved === 0;
      return nearest;
    }
    same = false;
    const found = others.find(({ candidate }) => Object.is(keepEqual(candidate, item), candidate));
    if (!found) return nearest;
    moved = found.offset;
    return found.candidate;
  });
  return same ? previous : kept;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
