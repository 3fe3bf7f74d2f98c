import { expect, it } from 'vitest';
import { makeUpName } from '../../lib/made-up-names.js';
import { NewNames } from './names.js';
import { findRef, resolveRef } from './refs.js';

const id = (start: string) => start.padEnd(64, '0');
const items = [
  { id: id('abc1'), name: 'web' },
  { id: id('abc2'), name: 'abc1' },
  { id: id('def'), name: 'db' },
];
const named = (ref: string) => resolveRef('container', items, ref).name;

it('refs - a whole id comes before a name, and a name before the beginning of an id', () => {
  expect(named(id('abc1'))).toBe('web');
  expect(named('abc1')).toBe('abc1');
  expect(named('de')).toBe('db');
  expect(named('/web')).toBe('web');
});

it('refs - several that fit are named, and none is said', () => {
  expect(() => named('ab')).toThrow('container "ab" is ambiguous: it can be abc100000000 (web), abc200000000 (abc1)');
  expect(() => named('x')).toThrow('No such container: x');
  expect(findRef('container', items, 'x')).toBeUndefined();
  expect(() => named('')).toThrow('which container?');
});

it('names - made up ones avoid those that are taken', () => {
  const first = makeUpName(
    () => false,
    () => 0,
  );
  expect(first).toMatch(/^[a-z]+_[a-z]+$/);
  const other = makeUpName(
    (name) => name === first,
    () => 0,
  );
  expect(other).not.toBe(first);
  expect(other.startsWith(first)).toBe(true);
});

it('names - what is no name, or is taken, is refused', () => {
  const nobody = () => undefined;
  const names = new NewNames();
  for (const bad of ['a', '-web', 'we b', 'wéb']) expect(() => names.claim(bad, nobody)).toThrow(`(${bad})`);
  expect(() => names.claim('web', () => ({ id: id('abc1') }))).toThrow(`already in use by container "${id('abc1')}"`);
  expect(names.claim('web-1.a_b', nobody)).toBe('web-1.a_b');
  expect(() => names.claim('web-1.a_b', nobody)).toThrow('one is being made');
  names.release('web-1.a_b');
  expect(names.claim('web-1.a_b', nobody)).toBe('web-1.a_b');
});
