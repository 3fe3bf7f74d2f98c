import { expect, it } from 'vitest';
import { type Filter, hasLabel, predicate } from './filters.js';

interface Item {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}
const web: Item = { name: 'web', labels: { app: 'a', env: 'test' } };
const db: Item = { name: 'db', labels: { app: 'a' } };
const left = (...filters: Filter[]) =>
  [web, db]
    .filter(
      predicate<Item>(filters, {
        name: (item, value) => item.name === value,
        label: (item, value) => hasLabel(item.labels, value),
      }),
    )
    .map(({ name }) => name);

it('predicate - any of the values of a key, all labels, all keys', () => {
  expect(left()).toEqual(['web', 'db']);
  expect(left({ key: 'name', values: ['web', 'db'] })).toEqual(['web', 'db']);
  expect(left({ key: 'label', values: ['app', 'env=test'] })).toEqual(['web']);
  expect(left({ key: 'label', values: ['app'] }, { key: 'name', values: ['db'] })).toEqual(['db']);
});

it('predicate - a key that is not known is refused with those that are', () => {
  expect(() => left({ key: 'colour', values: ['red'] })).toThrow(
    expect.objectContaining({ message: "invalid filter 'colour'", hint: 'One of label, name.' }),
  );
  expect(() => left({ key: 'toString', values: ['x'] })).toThrow("invalid filter 'toString'");
});

it('hasLabel - by key, or by key and value, which may hold an equals sign or be empty', () => {
  const labels = { app: 'a=b', none: '' };
  expect(['app', 'app=a=b', 'none', 'none='].map((wanted) => hasLabel(labels, wanted))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(['app=a', 'ap', 'app=', 'toString'].map((wanted) => hasLabel(labels, wanted))).toEqual([
    false,
    false,
    false,
    false,
  ]);
});
