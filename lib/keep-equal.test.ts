import { describe, expect, test } from 'vitest';
import { keepEqual } from './keep-equal.js';

const state = (names: readonly string[]) => ({ version: 1, items: names.map((name) => ({ name, at: [name] })) });

describe('keepEqual', () => {
  test('what is equal is the former object', () => {
    const before = state(['a', 'b']);
    expect(keepEqual(before, state(['a', 'b']))).toBe(before);
  });

  test('one that is added, removed or changed leaves the others as they are', () => {
    const before = state(['a', 'b', 'c']);
    for (const names of [['a', 'x', 'b', 'c'], ['a', 'c'], ['a', 'x', 'c'], []]) {
      const now = keepEqual(before, state(names));
      expect(now).toEqual(state(names));
      expect(now).not.toBe(before);
      for (const item of now.items) {
        const former = before.items.find(({ name }) => name === item.name);
        if (former) expect(item).toBe(former);
      }
    }
  });

  test('members with an id are found however many came and went before them', () => {
    const member = (id: number, note = '') => ({ id: String(id), note, at: [{ id }] });
    const list = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => member(from + i));
    const before = list(0, 500);
    const changed = member(300, 'changed');
    const now = keepEqual(before, [
      member(1000),
      ...list(100, 300),
      changed,
      member(1001),
      ...list(301, 500),
      member(5),
    ]);
    expect(now.map(({ id }) => id)).toEqual([
      '1000',
      ...list(100, 301).map(({ id }) => id),
      '1001',
      ...list(301, 500).map(({ id }) => id),
      '5',
    ]);
    for (const item of now) {
      const former = before[Number(item.id)];
      if (item.id === '300') expect(item).toEqual(changed);
      else if (former) expect(item).toBe(former);
      if (former) expect(item.at).toBe(former.at);
    }
  });

  test('a member that is undefined is not one that is missing, and nothing is changed', () => {
    const before = { a: 1, b: undefined };
    expect(keepEqual(before, { a: 1 })).toEqual({ a: 1 });
    expect(Object.keys(keepEqual(before, { a: 1 }))).toEqual(['a']);
    expect(Object.keys(keepEqual({ a: 1, c: 2 }, before))).toEqual(['a', 'b']);
    expect(keepEqual<unknown>([1, 2], [2])).toEqual([2]);
    expect(keepEqual<unknown>([1, undefined], [1])).toEqual([1]);
  });

  test('what has nothing of the former one is the given object: the next comparison finds it at once', () => {
    const [before, next] = [state(['a', 'b']), state(['a', 'x'])];
    const now = keepEqual(before, next);
    expect(now.items[0]).toBe(before.items[0]);
    expect(now.items[1]).toBe(next.items[1]);
    expect(keepEqual(state(['y']).items, next.items)).toBe(next.items);
  });

  test('what comes before and after the first difference is the former, too', () => {
    const list = (...names: string[]) => names.map((name) => ({ name }));
    const make = (middle: number) => ({ first: [1], second: { a: 1 }, middle, third: [2], last: list('a', 'b', 'c') });
    const before = make(1);
    const now = keepEqual(before, make(2));
    expect(now).toEqual(make(2));
    for (const key of ['first', 'second', 'third', 'last'] as const) expect(now[key]).toBe(before[key]);
    const longer = keepEqual<object>(before, { ...make(1), more: 1 });
    expect(longer).toEqual({ ...make(1), more: 1 });
    expect(longer).toHaveProperty('first', before.first);
    const members = keepEqual(before.last, list('a', 'b', 'x'));
    expect(members).toEqual(list('a', 'b', 'x'));
    expect(members.map((member, i) => member === before.last[i])).toEqual([true, true, false]);
  });

  test('objects of classes are compared by identity', () => {
    const key = new Map([['a', 1]]);
    const before = { key };
    expect(keepEqual(before, { key })).toBe(before);
    expect(keepEqual(before, { key: new Map(key) })).not.toBe(before);
  });
});
