import { expect, it } from 'vitest';
import { imageFilter, isReference } from './image-filter.js';

it.each([
  ['web:1', true],
  ['web', true],
  ['w*', true],
  ['web:?', true],
  ['web:2', false],
  ['we', false],
  ['w.b', false],
])('reference - %s of web:1: %s', (pattern, is) => {
  expect(isReference('web:1', pattern)).toBe(is);
});

it('reference - a pattern stays within a part of the name, and ports of registries are no tags', () => {
  expect(isReference('localhost:5000/web:1', 'localhost:5000/web')).toBe(true);
  expect(isReference('localhost:5000/web:1', 'localhost:5000/*')).toBe(true);
  expect(isReference('localhost:5000/web:1', '*')).toBe(false);
  expect(isReference('localhost:5000/web@sha256:00', 'localhost:5000/web')).toBe(true);
});

it('filters - dangling is what has no name', () => {
  const left = (...values: string[]) => ['web:1', ''].filter(imageFilter([{ key: 'dangling', values }]));
  expect(left('true')).toEqual(['']);
  expect(left('false')).toEqual(['web:1']);
  expect(() => left('perhaps')).toThrow('"perhaps" is not true or false');
});

it('filters - what is not known is refused, not passed over', () => {
  expect(() => imageFilter([{ key: 'since', values: ['web'] }])).toThrow("invalid filter 'since'");
});
