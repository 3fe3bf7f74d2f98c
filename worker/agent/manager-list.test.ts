import { expect, it } from 'vitest';
import { ManagerAddress } from '../../proto/gen/index.js';
import { ManagerList } from './manager-list.js';

const managers = (...addresses: string[]) => addresses.map((address) => ManagerAddress.create({ address }));

it('asks the others in turn when one fails, and stays with the one that answers', () => {
  const list = new ManagerList(['a:1', 'b:1', 'c:1']);
  list.failed('a:1');
  expect(list.addresses).toEqual(['b:1', 'c:1', 'a:1']);
  list.replace(managers('a:1', 'b:1', 'd:1'));
  expect(list.addresses).toEqual(['b:1', 'a:1', 'd:1']);
});

it('takes the heavier manager first when the one that it knew has gone', () => {
  const list = new ManagerList(['gone:1']);
  list.replace([ManagerAddress.create({ address: 'a:1' }), ManagerAddress.create({ address: 'b:1', weight: 5 })]);
  expect(list.first).toBe('b:1');
});

it('keeps its managers when a message names none', () => {
  const list = new ManagerList(['a:1']);
  list.replace([]);
  expect(list.addresses).toEqual(['a:1']);
});
