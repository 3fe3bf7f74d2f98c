import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Service } from '../../proto/gen/index.js';
import { TestSwarm } from './swarm.js';

let swarm: TestSwarm;
beforeEach(async () => {
  swarm = new TestSwarm();
  await swarm.start();
});
afterEach(() => swarm.stop());

const JOB = ['--name', 'job', '--mode', 'replicated-job'];
const create = (...argv: string[]) => swarm.cli('service', 'create', ...JOB, ...argv, 'web');
const update = (...argv: string[]) => swarm.cli('service', 'update', ...argv, 'job');
const replicas = async () => (await swarm.cli('service', 'ls', '--format', '{{.Replicas}}')).out.trim();
const stored = (): Service | undefined => swarm.store.view().byName('service', 'job')[0];

it('job - is waited for until all its tasks have completed', async () => {
  const { code, out, err } = await create('--replicas', '3', '--max-concurrent', '2');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const lines = out.trimEnd().split('\n');
  expect(lines).toContain('job progress: 3 out of 3 complete');
  expect(lines.at(-1)).toBe('job complete');
  expect(await replicas()).toBe('0/2 (3/3 completed)');
});

it('job - that fails for good ends the waiting with exit code 1 and the reason', async () => {
  swarm.fate = (task) => (task.slot === 2 ? 'task: non-zero exit (3)' : undefined);
  const { code, err } = await create('--replicas', '2', '--restart-condition', 'none');
  expect(code).toBe(1);
  expect(err).toBe('Error: job failed: 1 of 2 tasks completed: task: non-zero exit (3)\n');
  const { out } = await swarm.cli('service', 'inspect', '--pretty', 'job');
  expect(out).toMatch(/Last Ended:\s+\S+: 1 of 2 tasks completed: task: non-zero exit \(3\)/);
});

it('job - is run anew by force, by a change and by a rollback', async () => {
  await create();
  for (const argv of [['--force'], ['--env-add', 'A=1'], ['--rollback']]) {
    const { code, out, err } = await update(...argv);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/job complete\n$/);
  }
  expect(stored()?.jobStatus).toMatchObject({ iteration: 3, lastOutcome: { iteration: 3, completed: 1, total: 1 } });
});

it('job - of a global kind counts its nodes and cannot be scaled', async () => {
  const { out } = await swarm.cli('service', 'create', '--name', 'job', '--mode', 'global-job', 'web');
  expect(out).toMatch(/job progress: 2 out of 2 complete\n(.*\n)*job complete\n$/);
  expect(await replicas()).toBe('0/0 (2/2 completed)');
  const scaled = await swarm.cli('service', 'scale', 'job=3');
  expect(scaled.code).toBe(1);
  expect(scaled.err).toContain('scale can only be used with replicated or replicated-job mode');
});

it('schedule - the job waits for its time, and says everywhere when that is', async () => {
  const { code, out, err } = await create('--schedule', '0 2 1 1 *', '--schedule-time-zone', 'Europe/Berlin');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  const next = /next run: (\d{4}-01-01 02:00:00 GMT\+1 \(Europe\/Berlin\))\n/.exec(out)?.[1] ?? '';
  expect(out).toMatch(/job scheduled\n$/);
  expect(next).not.toBe('');
  expect(await replicas()).toMatch(/^0\/1 \(0\/1 completed, next in .+\)$/);
  const ps = await swarm.cli('service', 'ps', 'job');
  expect(ps.err).toBe(`job runs next at ${next}\n`);
  expect((await swarm.cli('service', 'ps', '-q', 'job')).err).toBe('');
  const { out: pretty } = await swarm.cli('service', 'inspect', '--pretty', 'job');
  expect(pretty).toMatch(/Cron:\s+0 2 1 1 \*\n/);
  expect(pretty).toContain(next);
  const { out: json } = await swarm.cli('service', 'inspect', '-f', '{{json .Spec.Schedule}}', 'job');
  expect(JSON.parse(json)).toEqual({ Cron: '0 2 1 1 *', TimeZone: 'Europe/Berlin', Overlap: 'skip' });
});

it('schedule - runs when its time comes, and at once by force', async () => {
  await create('--schedule', '* * * * * *', '--detach');
  await expect
    .poll(() => stored()?.jobStatus?.lastOutcome, { timeout: 10_000 })
    .toMatchObject({ completed: 1, total: 1 });
  expect((await update('--schedule', '0 0 1 1 *')).out).toMatch(/job scheduled\n$/);
  const before = stored()?.jobStatus?.iteration ?? 0;
  expect((await update('--force')).out).toMatch(/job complete\n$/);
  expect(stored()?.jobStatus?.iteration).toBe(before + 1);
  expect((await update('--schedule', '')).out).toMatch(/job progress: not running\njob at rest: --force runs it\n$/);
  expect(stored()).toMatchObject({
    spec: { schedule: undefined },
    jobStatus: { iteration: before + 1, nextExecution: 0 },
  });
});

it.each([
  [['--schedule', '0 25 * * *'], '"0 25 * * *" is not a schedule: Invalid value for hour: 25', 'five fields'],
  [['--schedule', '@daily', '--schedule-time-zone', 'Berlin'], 'no time zone "Berlin"', 'Europe/Berlin'],
  [['--update-delay', '1s'], '--update-delay cannot be used with a job', 'no updates'],
])('create - %j is refused before anything is done', async (argv, words, hint) => {
  const { code, err } = await create(...argv);
  expect(code).toBe(1);
  expect(err).toContain(words);
  expect(err).toContain(hint);
  expect(stored()).toBeUndefined();
});
