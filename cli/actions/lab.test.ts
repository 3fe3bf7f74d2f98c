import { expect, test } from 'vitest';
import { labLayout } from '../../lab/layout.js';
import { testIo } from '../testing.js';
import { downAll } from './lab.js';

test('lab down - each lab is told, also when others cannot be taken down; the first failure is thrown', async () => {
  const told: string[] = [];
  const io = testIo({
    out: (text) => told.push(String(text)),
    err: (text) => told.push(String(text)),
  });
  const labs = ['one', 'two', 'three', 'four'].map(labLayout);
  const down = async ({ name }: { readonly name: string }) => {
    if (name === 'one' || name === 'three') throw new Error(`${name} is stuck`);
    return name === 'two';
  };
  await expect(downAll({ io }, labs, down)).rejects.toThrow('one is stuck');
  expect(told).toEqual([
    expect.stringMatching(/two.* is down\.\n$/),
    'Error: three is stuck\n',
    expect.stringMatching(/^There is no .*four/),
  ]);
});
