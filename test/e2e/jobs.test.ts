import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { tasksOf, tsswarm, tsswarmInspect, tsswarmOutcome } from '../../demo/cli.js';
import { IMAGE, useLab } from './lab.js';

useLab(2);

/** On this machine, and so on each node of the lab: what the containers leave behind. */
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-jobs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const create = (name: string, script: string, ...flags: string[]) =>
  tsswarmOutcome([
    ...['service', 'create', '--name', name, '--mount', `type=bind,source=${folder},target=/out`],
    ...['--mode', 'replicated-job', ...flags, '--entrypoint', 'sh', IMAGE, '-c', script],
  ]);
const replicas = async (name: string) =>
  (await tsswarm('service', 'ls', '--filter', `name=${name}`, '--format', '{{.Replicas}}')).trim();
const lines = async (file: string): Promise<string[]> =>
  (await readFile(path.join(folder, file), 'utf8')).split('\n').filter(Boolean);

interface JobInspection {
  readonly JobStatus: {
    readonly JobIteration: { readonly Index: number };
    readonly Runs?: readonly unknown[];
    readonly LastSkipped?: { readonly Reason: string };
  };
}
const inspect = async (name: string) => (await tsswarmInspect<JobInspection>('service', 'inspect', name)).JobStatus;
const poll = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 20_000, interval: 200 });

test('job - runs containers to their end, so many at a time', async () => {
  await writeFile(path.join(folder, 'batch'), '');
  const script = 'echo begin >>/out/batch; sleep 0.5; echo end >>/out/batch';
  const { code, stdout, stderr } = await create('batch', script, '--replicas', '3', '--max-concurrent', '1');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/job progress: 3 out of 3 complete\n(.*\n)*job complete\n$/);
  expect(await lines('batch')).toEqual(['begin', 'end', 'begin', 'end', 'begin', 'end']);
  expect(await replicas('batch')).toBe('0/1 (3/3 completed)');
});

test('job - tries again what fails until it completes, or says why it does not', async () => {
  const script = 'test -e /out/marker || { touch /out/marker; exit 3; }';
  expect(await create('second-try', script, '--restart-delay', '100ms')).toMatchObject({ code: 0 });
  expect((await tasksOf('second-try')).map((task) => task.Error)).toEqual(['', expect.stringContaining('(3)')]);
  const failed = await create('fails', 'exit 4', '--restart-condition', 'none');
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain('job failed: 0 of 1 tasks completed: task: non-zero exit (4)');
});

test('job - of a global kind runs once on each node, also on one that comes later', async () => {
  await tsswarm('node', 'update', '--availability', 'pause', 'node2');
  await tsswarm('service', 'create', '--name', 'each', '--mode', 'global-job', '--entrypoint', 'true', IMAGE);
  const done = async () =>
    (await tasksOf('each')).filter((task) => task.CurrentState.startsWith('Complete')).map((task) => task.Node);
  expect(await done()).toEqual(['node1']);
  await tsswarm('node', 'update', '--availability', 'active', 'node2');
  await poll(async () => (await done()).sort()).toEqual(['node1', 'node2']);
});

test('schedule - a container for each time that comes, none twice and none lost over a crash of the manager', async () => {
  await writeFile(path.join(folder, 'ticks'), '');
  const every = ['--schedule', '*/2 * * * * *', '--schedule-time-zone', 'Europe/Berlin'];
  const created = await create('ticks', 'date +%s >>/out/ticks', ...every);
  expect(created).toMatchObject({ code: 0, stderr: '' });
  expect(created.stdout).toMatch(/next run: .* \(Europe\/Berlin\)\n/);
  await poll(async () => (await lines('ticks')).length).toBeGreaterThanOrEqual(2);
  await tsswarm('lab', 'kill', 'node1');
  await tsswarm('lab', 'start', 'node1');
  const before = (await lines('ticks')).length;
  await poll(async () => (await lines('ticks')).length).toBeGreaterThanOrEqual(before + 2);
  await tsswarm('service', 'update', '--schedule', '', 'ticks');
  await poll(async () => (await inspect('ticks')).Runs).toBeUndefined();
  const { JobIteration: iteration } = await inspect('ticks');
  expect(await lines('ticks')).toHaveLength(iteration.Index);
});

test('schedule - a run that would overlap is left out with the reason, or takes the place of the other', async () => {
  await writeFile(path.join(folder, 'long'), '');
  const script = 'trap "echo stopped >>/out/long; exit 0" TERM; echo begun >>/out/long; while :; do sleep 0.1; done';
  const created = await create('long', script, '--schedule', '*/2 * * * * *', '--stop-grace-period', '5s');
  expect(created).toMatchObject({ code: 0, stderr: '' });
  await poll(async () => (await inspect('long')).LastSkipped?.Reason).toMatch(/^the run that began at .* went on$/);
  expect(await lines('long')).toEqual(['begun']);
  await tsswarm('service', 'update', '--schedule', '0 0 1 1 *', 'long');
  await tsswarm('service', 'update', '--detach', '--force', 'long');
  // The new task begins when the old one has stopped, in the same slot.
  await poll(() => lines('long')).toEqual(['begun', 'stopped', 'begun']);
  await tsswarm('service', 'rm', 'long');
});
