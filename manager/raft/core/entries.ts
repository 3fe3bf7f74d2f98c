import type { Entry } from './types.js';

/**
 * The bytes an entry takes in a message: tag, type, term and index and, if there is a payload, tag,
 * length and payload. Zero values are counted too, so that limits do not depend on small numbers.
 */
export function entrySize(entry: Entry): number {
  const size = 2 + 1 + varintSize(entry.term) + 1 + varintSize(entry.index);
  const length = entry.data.length;
  return length === 0 ? size : size + 1 + varintSize(length) + length;
}

export function entriesSize(entries: readonly Entry[]): number {
  let size = 0;
  for (const entry of entries) size += entrySize(entry);
  return size;
}

/** The bytes that were proposed; an empty entry counts nothing, so that it can never be refused. */
export function payloadsSize(entries: readonly Entry[]): number {
  let size = 0;
  for (const entry of entries) size += entry.data.length;
  return size;
}

/** The longest prefix of at most `maxSize` bytes, but at least one entry if there is any. */
export function limitSize(entries: readonly Entry[], maxSize: number): readonly Entry[] {
  const first = entries[0];
  if (first === undefined || maxSize === Number.POSITIVE_INFINITY) return entries;
  let size = entrySize(first);
  for (const [limit, entry] of entries.entries()) {
    if (limit === 0) continue;
    size += entrySize(entry);
    if (size > maxSize) return entries.slice(0, limit);
  }
  return entries;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}
