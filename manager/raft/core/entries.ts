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
  const end = endWithin(entries, 0, entries.length, maxSize);
  return end === entries.length ? entries : entries.slice(0, end);
}

/** A copy of that prefix of entries[from, to): its cost does not depend on what is beyond the limit. */
export function sliceWithin(entries: readonly Entry[], from: number, to: number, maxSize: number): readonly Entry[] {
  return entries.slice(from, endWithin(entries, from, to, maxSize));
}

function endWithin(entries: readonly Entry[], from: number, to: number, maxSize: number): number {
  if (maxSize === Number.POSITIVE_INFINITY) return to;
  let size = 0;
  for (let at = from; at < to; at++) {
    const entry = entries[at];
    if (entry) size += entrySize(entry);
    if (size > maxSize && at > from) return at;
  }
  return to;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}
