import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DnsMachines, front, name, sandbox, stateOf } from './dns-fixture.js';
import type { Driver } from './plane-fixture.js';

const COUNT = 500;
let machines: DnsMachines;
let driver: Driver;

beforeAll(async () => {
  machines = new DnsMachines();
  driver = await machines.startNode();
});
afterAll(() => machines.close(), 120_000);

test('many sandboxes - all are answered by one thread', { timeout: 120_000 }, async () => {
  const bare = (i: number) => ({ ...sandbox(`s${i}x`, 1), endpoints: [], gateway: false });
  expect((await driver.apply(stateOf([bare(0)]))).problems).toEqual([]);
  const threads = machines.threads(driver);
  const sandboxes = Array.from({ length: COUNT }, (_, i) => bare(i));
  expect((await driver.apply(stateOf(sandboxes))).problems).toEqual([]);
  for (let i = 0; i < COUNT; i += 50) expect(machines.answers(`s${i}x`, 'web')).toEqual(['10.0.1.2']);
  expect(machines.threads(driver)).toBe(threads);
  const moved = { ...front, names: [name('web', ['10.0.1.3'])] };
  expect((await driver.apply(stateOf(sandboxes, [moved]))).operations).toBe(0);
  for (let i = 0; i < COUNT; i += 50) expect(machines.answers(`s${i}x`, 'web')).toEqual(['10.0.1.3']);
  expect((await driver.apply(stateOf([]))).problems).toEqual([]);
});

test('many questions - a flood in one sandbox keeps no other from answers, nor the plane from its work', async () => {
  const sandboxes = [sandbox('a', 11), sandbox('b', 12)];
  expect((await driver.apply(stateOf(sandboxes))).problems).toEqual([]);
  const questions = join(machines.directory, 'questions');
  writeFileSync(questions, 'web A\n');
  const flood = machines.start(machines.file('a'), 'dnsperf', '-s', '127.0.0.11', '-d', questions, '-l', '4');
  let output = '';
  flood.stdout?.on('data', (data) => {
    output += String(data);
  });
  const ended = once(flood, 'close');
  for (let i = 1; i <= 5; i++) {
    const moved = { ...front, names: [name('web', [`10.0.1.${i}`])] };
    expect((await driver.apply(stateOf(sandboxes, [moved]))).problems).toEqual([]);
    expect(machines.answers('b', '+timeout=1', 'web')).toEqual([`10.0.1.${i}`]);
  }
  expect(flood.exitCode).toBeNull();
  await ended;
  expect(output).toMatch(/Queries lost:\s+0 /);
});
