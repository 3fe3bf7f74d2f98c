import { describe, expect, test } from 'vitest';
import { flattenedList, listDifference, mappedList, mappedPairs } from './kept-list.js';
import { seeded } from './seeded-random.js';

const counting = () => {
  const asked: string[] = [];
  const answer = (item: { readonly name: string }) => {
    asked.push(item.name);
    return { upper: item.name.toUpperCase() };
  };
  return { asked, answer };
};
const items = (names: string) => [...names].map((name) => ({ name }));

describe('mappedList', () => {
  test('asks for members that are new, wherever the others have moved to', () => {
    const { asked, answer } = counting();
    const map = mappedList(answer);
    const list = items('abcdef');
    const before = map(list);
    const next = [...items('x'), ...list.slice(0, 2), ...list.slice(3)];
    asked.length = 0;
    const now = map(next);
    expect(now.map(({ upper }) => upper).join('')).toBe('XABDEF');
    expect(asked).toEqual(['x']);
    expect(now[1]).toBe(before[0]);
    expect(now[5]).toBe(before[5]);
  });

  test('the same answers are the same list', () => {
    const map = mappedList(({ name }: { readonly name: string }) => name);
    const before = map(items('abc'));
    expect(map(items('abc'))).toBe(before);
    expect(map(items('ab'))).toEqual(['a', 'b']);
    expect(map([])).toEqual([]);
  });

  test('what throws leaves nothing behind', () => {
    const map = mappedList(({ name }: { readonly name: string }) => {
      if (name === '!') throw new Error('no such name');
      return name;
    });
    const list = items('abc');
    const before = map(list);
    expect(() => map([...list, ...items('!')])).toThrow('no such name');
    expect(map([...list])).toBe(before);
  });

  test('any two lists - as by map', () => {
    const random = seeded(3);
    const all = items('abcdefghijklmnop');
    const map = mappedList(({ name }: { readonly name: string }) => name);
    const flat = flattenedList(({ name }: { readonly name: string }) => (name > 'h' ? [name, name] : []));
    for (let round = 0; round < 300; round++) {
      const list = Array.from({ length: random(20) }, () => all[random(all.length)] ?? { name: '?' });
      expect(map(list)).toEqual(list.map(({ name }) => name));
      expect(flat(list)).toEqual(list.flatMap(({ name }) => (name > 'h' ? [name, name] : [])));
    }
  });
});

test('mappedPairs - asks where either of two has changed', () => {
  const asked: string[] = [];
  const map = mappedPairs((name: string, number: number) => {
    asked.push(`${name}${number}`);
    return `${name}${number}`;
  });
  const before = map(['a', 'b', 'c'], [1, 2, 3]);
  expect(map(['a', 'b', 'c'], [1, 2, 3])).toBe(before);
  expect(map(['a', 'x', 'c'], [1, 2, 4])).toEqual(['a1', 'x2', 'c4']);
  expect(map(['a'], [1])).toEqual(['a1']);
  expect(asked).toEqual(['a1', 'b2', 'c3', 'x2', 'c4']);
});

test('listDifference - what is added and removed makes one list of the other', () => {
  const random = seeded(4);
  const all = items('abcdefghijklmnop');
  for (let round = 0; round < 300; round++) {
    const list = () => all.filter(() => random(3) > 0);
    const [before, now] = [list(), list()];
    const { added, removed } = listDifference(before, now);
    const kept = before.filter((item) => !removed.includes(item));
    expect(now.filter((item) => !added.includes(item))).toEqual(kept);
    expect(new Set([...kept, ...added])).toEqual(new Set(now));
  }
});
