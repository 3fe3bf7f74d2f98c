import { expect, test } from 'vitest';
import { INGRESS_NAMESPACE, NODE_NAMESPACE } from '../names.js';
import { heardTurn, LEAST_TURN, MOST_HEARD, ROUND, turnOf, wholeTurn } from './turns.js';

const INTERVAL = 3000;
const never = () => false;
const named = (count: number) => Array.from({ length: count }, (_, n) => `task${n}`);

/** Names read by one look after another, each of which puts what it reads behind the others. */
function looks(count: number, of: readonly string[], interval = INTERVAL): string[][] {
  let names = [...of];
  return Array.from({ length: count }, () => {
    const turn = turnOf(names, never, interval);
    names = [...names.filter((name) => !turn.includes(name)), ...turn];
    return turn;
  });
}

test('turns - a few namespaces are all read by every look', () => {
  const names = [NODE_NAMESPACE, ...named(LEAST_TURN)];
  for (const turn of looks(3, names)) expect(new Set(turn)).toEqual(new Set(names));
});

test.each([21, 199, 200, 201, 500, 4999])('turns - each of %d namespaces is read in every round', (count) => {
  const names = [NODE_NAMESPACE, ...named(count)];
  const perRound = ROUND / INTERVAL;
  const turns = looks(3 * perRound, names);
  for (let first = 0; first <= 2 * perRound; first++)
    expect(new Set(turns.slice(first, first + perRound).flat())).toEqual(new Set(names));
  const share = Math.max(LEAST_TURN, Math.ceil(count / perRound)) + 1;
  for (const turn of turns) expect(turn.length).toBeLessThanOrEqual(share);
});

test('turns - the node and ingress_sbox are read by every look, first', () => {
  for (const turn of looks(20, [...named(500), INGRESS_NAMESPACE, NODE_NAMESPACE]))
    expect(turn.slice(0, 2)).toEqual([NODE_NAMESPACE, INGRESS_NAMESPACE]);
});

test('turns - what the kernel shows to be changed does not wait', () => {
  const turn = turnOf([NODE_NAMESPACE, ...named(500)], (name) => name === 'task499', INTERVAL);
  expect(turn).toContain('task499');
  expect(turn).not.toContain('task498');
});

test('of many in which something was heard the first are read, the others next time', () => {
  const names = Array.from({ length: MOST_HEARD + 1 }, (_, i) => `t${i}`);
  expect(heardTurn(names)).toEqual(names.slice(0, MOST_HEARD));
});

test.each([
  [1, INTERVAL],
  [4, INTERVAL],
  [22, INTERVAL],
  [500, INTERVAL],
  [3, 2 * INTERVAL],
])('each of %d namespaces is read as a whole once in a round of looks every %d ms', (count, interval) => {
  const readAt = new Map(named(count).map((name) => [name, 0]));
  const reads = new Map(named(count).map((name) => [name, [0]]));
  let left = 0;
  for (let now = interval; now <= 10 * ROUND; now += interval) {
    const turn = wholeTurn(readAt, interval, left);
    left = turn.left;
    expect(turn.names.length).toBeLessThanOrEqual(Math.ceil((count * interval) / ROUND));
    for (const name of turn.names) {
      readAt.set(name, now);
      reads.get(name)?.push(now);
    }
  }
  for (const times of reads.values()) {
    const waits = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    expect(Math.max(...waits)).toBeLessThanOrEqual(ROUND + interval);
    expect(times.length).toBeLessThanOrEqual(11);
  }
});
