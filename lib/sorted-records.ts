import { listDifference } from './kept-list.js';

interface Record {
  readonly id: string;
}

/**
 * The values of a map in the order of their ids. Told from the order of the map before, of which most are still there:
 * then only those that have come are put into their places. The same list when nothing differs; nobody may change it,
 * or the maps.
 */
export function sortedRecords<T extends Record>(): (records: ReadonlyMap<string, T>) => readonly T[] {
  let last: { readonly values: readonly T[]; readonly sorted: readonly T[] } = { values: [], sorted: [] };
  return (records) => {
    const values = [...records.values()];
    const { added, removed } = listDifference(last.values, values);
    const isFew = (added.length + removed.length) * 8 < values.length;
    const sorted = isFew ? withChanges(last.sorted, added, removed) : [...values].sort(byId);
    last = { values, sorted };
    return sorted;
  };
}

const byId = (a: Record, b: Record): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);

function withChanges<T extends Record>(sorted: readonly T[], added: readonly T[], removed: readonly T[]): readonly T[] {
  if (added.length === 0 && removed.length === 0) return sorted;
  const list = [...sorted];
  for (const record of removed) list.splice(placeOf(list, record), 1);
  for (const record of added) list.splice(placeOf(list, record), 0, record);
  return list;
}

/** Index of the first that does not come before it. */
function placeOf(sorted: readonly Record[], record: Record): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const other = sorted[middle];
    if (other && byId(other, record) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
