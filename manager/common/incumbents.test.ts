import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { type Incumbent, Incumbents } from './incumbents.js';

function setUp() {
  const clock = new ManualClock();
  const incumbents = new Incumbents<string>(clock, 500);
  const ended: string[] = [];
  /** @returns how to leave, or the instance that lives already */
  const enter = async (instance: string) => {
    const incumbent: Incumbent = { instance, peer: `peer of ${instance}`, end: () => ended.push(instance) };
    const entered = await incumbents.enter('node', incumbent);
    return typeof entered === 'function' ? entered : entered.instance;
  };
  return { clock, incumbents, ended, enter };
}

const inside = expect.any(Function);

test('the first one, the same one again, and one after the other has ended come in at once', async () => {
  const { incumbents, ended, enter } = setUp();
  const leave = await enter('a');
  const leaveAgain = await enter('a');
  if (typeof leave !== 'function' || typeof leaveAgain !== 'function') throw new Error('it is not inside');
  leave();
  expect(ended).toEqual([]);
  leaveAgain();
  expect(await incumbents.rival('node', 'b')).toBeUndefined();
  expect(await enter('b')).toEqual(inside);
  expect(ended).toEqual([]);
});

test('one whose stream is open is challenged: when it does not return, the newcomer takes its place', async () => {
  const { clock, ended, enter } = setUp();
  await enter('a');
  const second = enter('b');
  expect(ended).toEqual(['a']);
  await clock.advance(500);
  expect(await second).toEqual(inside);
});

test('one that returns and stays was alive: the newcomer is the second, each time', async () => {
  const { clock, incumbents, ended, enter } = setUp();
  await enter('a');
  for (const time of [1, 2]) {
    const second = enter('b');
    expect(ended).toHaveLength(time);
    expect(await enter('a')).toEqual(inside);
    await clock.advance(500);
    expect(await second).toBe('a');
  }
  const call = incumbents.rival('node', 'b');
  await enter('a');
  await clock.advance(500);
  expect((await call)?.peer).toBe('peer of a');
});

test('one that died, of which another stream is read late, is gone', async () => {
  const { clock, enter } = setUp();
  await enter('a');
  const second = enter('b');
  const leave = await enter('a');
  if (typeof leave !== 'function') throw new Error('it is not inside');
  leave();
  await clock.advance(500);
  expect(await second).toEqual(inside);
});

test('two newcomers - when the challenged one is gone one of them comes in, and the other is the second', async () => {
  const { clock, enter } = setUp();
  await enter('a');
  const both = [enter('b'), enter('c')];
  await clock.advance(500);
  expect(await both[0]).toEqual(inside);
  expect(await enter('b')).toEqual(inside);
  await clock.advance(500);
  expect(await both[1]).toBe('b');
});

test('others are none of its business', async () => {
  const { incumbents, ended, enter } = setUp();
  await enter('a');
  expect(await incumbents.rival('other node', 'b')).toBeUndefined();
  expect(ended).toEqual([]);
});
