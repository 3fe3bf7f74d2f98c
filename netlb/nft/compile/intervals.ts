/** Sets of address ranges: the kernel keeps where each begins and where the next thing that is not in it begins. Pure. */
import { addressOf, parseCidr } from '../../../lib/ip.js';
import type { FieldType } from './field-types.js';
import type { SetElement } from './sets.js';

interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

function rangeOf(item: string): Range {
  const { base, last } = parseCidr(item.includes('/') ? item : `${item}/${item.includes(':') ? 128 : 32}`);
  return { first: base, last };
}

/** In order; those that overlap or touch are one. */
function merged(ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const range of [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const before = all.at(-1);
    if (before === undefined || range.first > before.last + 1n) all.push(range);
    else if (range.last > before.last) all[all.length - 1] = { ...before, last: range.last };
  }
  return all;
}

/**
 * The elements of a set of addresses and subnets. What comes before the first one is an end, too, for nft leaves none
 * of the room unsaid.
 */
export function intervalElements(items: readonly string[], { size, bytes }: FieldType): SetElement[] {
  for (const item of items) bytes(item.includes('/') ? addressOf(item) : item);
  const key = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(2 * size, '0'), 'hex');
  const end = 1n << BigInt(8 * size);
  const ranges = merged(items.map(rangeOf));
  return [
    ...(ranges[0] && ranges[0].first > 0n ? [{ key: key(0n), isEnd: true }] : []),
    ...ranges.flatMap(({ first, last }) => [
      { key: key(first) },
      ...(last + 1n < end ? [{ key: key(last + 1n), isEnd: true }] : []),
    ]),
  ];
}
