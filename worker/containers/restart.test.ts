import { expect, it } from 'vitest';
import { ContainerConfig, ContainerGoal, RunPhase, StoredContainer } from '../../proto/gen/index.js';
import { atDaemonStart, checkRestart, restartDelay, restartsAfter } from './restart.js';

const stored = (restart: string, fields: Partial<StoredContainer> = {}, restartMaxAttempts = 0) =>
  StoredContainer.create({ config: ContainerConfig.create({ restart, restartMaxAttempts }), startedAt: 1, ...fields });

it('restarts - always and unless-stopped whatever the exit code, on-failure after failures', () => {
  for (const policy of ['always', 'unless-stopped']) {
    expect(restartsAfter(stored(policy), 0)).toBe(true);
    expect(restartsAfter(stored(policy), 1)).toBe(true);
  }
  expect(restartsAfter(stored('on-failure'), 0)).toBe(false);
  expect(restartsAfter(stored('on-failure'), 3)).toBe(true);
  for (const policy of ['', 'no']) expect(restartsAfter(stored(policy), 1)).toBe(false);
  expect(restartsAfter(stored('always', { stopped: true }), 1)).toBe(false);
});

it('restarts - no more than on-failure:2 says', () => {
  expect(restartsAfter(stored('on-failure', { restartCount: 1 }, 2), 1)).toBe(true);
  expect(restartsAfter(stored('on-failure', { restartCount: 2 }, 2), 1)).toBe(false);
});

it('restarts - a container that a person stopped comes back with the daemon only as "always"', () => {
  const goal = (record: StoredContainer) => atDaemonStart(record).goal;
  expect(goal(stored('always', { stopped: true }))).toBe(ContainerGoal.RUN);
  expect(goal(stored('unless-stopped', { stopped: true }))).toBe(ContainerGoal.REST);
  expect(goal(stored('unless-stopped'))).toBe(ContainerGoal.RUN);
  expect(goal(stored('always', { startedAt: 0 }))).toBe(ContainerGoal.REST);
  expect(goal(stored('on-failure'))).toBe(ContainerGoal.REST);
  expect(goal(stored('always', { phase: RunPhase.RUNNING, goal: ContainerGoal.REMOVE }))).toBe(ContainerGoal.REMOVE);
});

it('restarts - a container with --rm that was between the halves of one goes with the daemon', () => {
  const config = ContainerConfig.create({ autoRemove: true });
  const record = StoredContainer.create({ config, startedAt: 1, stopped: true });
  expect(atDaemonStart(record).goal).toBe(ContainerGoal.REMOVE);
  expect(atDaemonStart({ ...record, startedAt: 0 }).goal).toBe(ContainerGoal.REST);
});

it('restarts - wait twice as long each time, a minute at most, and begin anew after ten good seconds', () => {
  const delays: number[] = [];
  while (delays.length < 12) delays.push(restartDelay(delays.at(-1) ?? 0, 0));
  expect(delays.slice(0, 4)).toEqual([100, 200, 400, 800]);
  expect(delays.at(-1)).toBe(60_000);
  expect(restartDelay(60_000, 9_999)).toBe(60_000);
  expect(restartDelay(60_000, 10_000)).toBe(100);
});

it('restarts - a policy that nobody knows, or that contradicts --rm, is refused by name', () => {
  expect(() => checkRestart(ContainerConfig.create({ restart: 'sometimes' }))).toThrow("unknown policy 'sometimes'");
  expect(() => checkRestart(ContainerConfig.create({ restart: 'always', autoRemove: true }))).toThrow('autoRemove');
  expect(() => checkRestart(ContainerConfig.create({ restart: 'always', restartMaxAttempts: 3 }))).toThrow(
    'maximum retry count',
  );
  expect(() => checkRestart(ContainerConfig.create({ restart: 'on-failure', restartMaxAttempts: 3 }))).not.toThrow();
});
