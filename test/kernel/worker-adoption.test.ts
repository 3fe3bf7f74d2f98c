import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type EndpointRecord, type Task, TaskState } from '../../proto/gen/index.js';
import { decodeTask } from '../../worker/agent/database.js';
import { runs } from './processes.js';
import { network, remoteEndpoint, taskOn, traps, WorkerGround } from './worker-fixture.js';

const { RUNNING, COMPLETE, SHUTDOWN, FAILED } = TaskState;
const { SIGTERM, SIGUSR1 } = constants.signals;
const OVERLAY = `1-${network.id.slice(0, 10)}`;

let ground: WorkerGround;
let remote: EndpointRecord;
beforeEach(async () => {
  ground = await WorkerGround.open();
  remote = remoteEndpoint('10.0.1.99');
  await ground.dispatcher.listen();
});
afterEach(() => ground.close());

const last = (id: string) => ground.dispatcher.last(id);
const pidOf = (id: string) => last(id)?.container?.pid ?? 0;
const namespaceOf = (id: string) => join(ground.options.runRoot, 'netns', id);

/** The worker with these tasks, when they all run. */
async function running(...tasks: Task[]): Promise<void> {
  ground.dispatcher.assign([{ network }, { endpoint: remote }, ...tasks.map((task) => ({ task }))]);
  ground.start();
  await ground.until('all run', () => tasks.every(({ id }) => last(id)?.state === RUNNING));
  // Then the set that it was told is on disk.
  await ground.until('acknowledged', () => ground.dispatcher.acknowledged.length > 0);
}

function remotes(): readonly string[] {
  const entries = JSON.parse(ground.inside(OVERLAY, 'bridge', '-j', 'fdb', 'show', 'dev', 'vxlan0')) as {
    mac: string;
    dst?: string;
  }[];
  return entries.flatMap(({ mac, dst }) => (dst === undefined ? [] : [`${mac} ${dst}`]));
}

describe('worker - killed', () => {
  it('takes its containers back and restarts none', async () => {
    const tasks = [taskOn('10.0.1.10'), taskOn('10.0.1.11')];
    await running(...tasks);
    const pids = tasks.map(({ id }) => pidOf(id));
    await ground.end('SIGKILL');
    expect(pids.every(runs)).toBe(true);
    ground.dispatcher.reported.clear();
    ground.start();
    await ground.until('reported', () => tasks.every(({ id }) => last(id) !== undefined));
    for (const [i, { id }] of tasks.entries()) {
      expect(ground.dispatcher.states(id).every((state) => state === RUNNING)).toBe(true);
      expect(pidOf(id)).toBe(pids[i]);
    }
    expect(pids.every(runs)).toBe(true);
  });

  it('mends its network from what it knew last, before it hears from any manager', async () => {
    const task = taskOn('10.0.1.10');
    await running(task);
    const entry = `${remote.mac} ${remote.vtep}`;
    expect(remotes()).toContain(entry);
    await ground.end('SIGKILL');
    ground.dispatcher.close();
    const pid = pidOf(task.id);
    ground.inside(OVERLAY, 'bridge', 'fdb', 'del', remote.mac, 'dev', 'vxlan0', 'dst', remote.vtep);
    expect(remotes()).not.toContain(entry);
    ground.start();
    await ground.until('mended', () => remotes().includes(entry));
    expect(runs(pid)).toBe(true);
    expect(existsSync(namespaceOf(task.id))).toBe(true);
    await ground.dispatcher.listen();
    ground.dispatcher.reported.clear();
    await ground.until('reported', () => last(task.id)?.state === RUNNING);
    expect(pidOf(task.id)).toBe(pid);
  });

  it('gives a container the file of its namespace again that somebody removed meanwhile', async () => {
    const task = taskOn('10.0.1.10');
    await running(task);
    await ground.end('SIGKILL');
    const file = namespaceOf(task.id);
    const { ino } = statSync(file);
    execFileSync('umount', [file]);
    rmSync(file);
    ground.start();
    await ground.until('named', () => existsSync(file) && statSync(file).ino === ino);
    expect(ground.inside(task.id, 'ip', '-4', '-o', 'address', 'show', 'dev', 'eth0')).toContain('10.0.1.10/');
  });

  it('tells what ended while it was away', async () => {
    const [good, bad, gone] = [taskOn('10.0.1.10', exitOn('0')), taskOn('10.0.1.11', exitOn('5')), taskOn('10.0.1.12')];
    await running(good, bad, gone);
    const pids = [good, bad, gone].map(({ id }) => pidOf(id));
    await ground.until('traps', () => pids.slice(0, 2).every((pid) => traps(pid, SIGUSR1)));
    await ground.end('SIGKILL');
    for (const pid of pids.slice(0, 2)) process.kill(pid, 'SIGUSR1');
    await ground.until('ended', () => pids.slice(0, 2).every((pid) => !runs(pid)));
    ground.start();
    await ground.until('told', () => last(good.id)?.state === COMPLETE && last(bad.id)?.state === FAILED);
    expect(last(bad.id)?.error).toBe('task: non-zero exit (5)');
    expect(last(gone.id)?.state).toBe(RUNNING);
    await ground.until('namespaces removed', () => [good, bad].every(({ id }) => !existsSync(namespaceOf(id))));
  });

  it('finishes a stop that it had begun, without a manager', async () => {
    const stubborn = { args: ['sh', '-c', 'trap "" TERM; while true; do sleep 0.05; done'], stopGracePeriod: 3e9 };
    const task = taskOn('10.0.1.10', stubborn);
    await running(task);
    const pid = pidOf(task.id);
    await ground.until('trap', () => traps(pid, SIGTERM));
    ground.dispatcher.change([{ task: { ...task, desiredState: SHUTDOWN } }]);
    const record = join(ground.options.dataRoot, 'worker/tasks', task.id);
    const recorded = () => decodeTask(readFileSync(record)).task.desiredState;
    await ground.until('the wish is on record', () => recorded() === SHUTDOWN);
    await ground.end('SIGKILL');
    expect(runs(pid)).toBe(true);
    ground.dispatcher.close();
    ground.start();
    await ground.until('stopped', () => !runs(pid));
    await ground.dispatcher.listen();
    await ground.until('told', () => last(task.id)?.state === SHUTDOWN);
  });

  it('removes containers that no task is on record for', async () => {
    const task = taskOn('10.0.1.10');
    await running(task);
    const pid = pidOf(task.id);
    await ground.end('SIGKILL');
    execFileSync('rm', [join(ground.options.dataRoot, 'worker/tasks', task.id)]);
    ground.dispatcher.assign([]);
    ground.start();
    await ground.until('removed', () => !runs(pid));
    const containers = join(ground.options.dataRoot, 'containers');
    await ground.until('container folder removed', () => !existsSync(join(containers, task.id)));
  });

  it('does not start a task again whose container is gone, as after a restart of the machine', async () => {
    const task = taskOn('10.0.1.10');
    await running(task);
    const record = join(ground.options.dataRoot, 'worker/tasks', task.id);
    const aside = join(ground.folder, 'record');
    await ground.end('SIGKILL');
    execFileSync('mv', [record, aside]);
    ground.dispatcher.close();
    ground.start();
    await ground.until('container removed', () => !existsSync(join(ground.options.dataRoot, 'containers', task.id)));
    await ground.end('SIGKILL');
    execFileSync('mv', [aside, record]);
    await ground.dispatcher.listen();
    ground.dispatcher.reported.clear();
    ground.start();
    await ground.until('told', () => last(task.id)?.state === FAILED);
    expect(last(task.id)?.error).toContain('the container is gone');
    expect(ground.dispatcher.states(task.id)).not.toContain(RUNNING);
  });
});

describe('worker - managers away', () => {
  it('runs on, and tells what happened when they are back', async () => {
    const task = taskOn('10.0.1.10', exitOn('4'));
    await running(task);
    ground.dispatcher.close();
    await ground.until('trap', () => traps(pidOf(task.id), SIGUSR1));
    process.kill(pidOf(task.id), 'SIGUSR1');
    await ground.until('namespace removed', () => !existsSync(namespaceOf(task.id)));
    await ground.dispatcher.listen();
    await ground.until('told', () => last(task.id)?.state === FAILED);
    expect(last(task.id)?.error).toBe('task: non-zero exit (4)');
  });
});

it("worker - leaves nothing behind but the machine's own network", async () => {
  const task = taskOn('10.0.1.10');
  await running(task);
  const pid = pidOf(task.id);
  await ground.leave();
  expect(runs(pid)).toBe(false);
  expect(await readdir(join(ground.options.dataRoot, 'containers'))).toEqual([]);
  expect(existsSync(join(ground.options.dataRoot, 'worker'))).toBe(false);
  expect(await readdir(join(ground.options.runRoot, 'netns'))).toEqual([]);
  // The kernel takes a namespace apart, with the veth pairs into it, only after its last name is gone.
  await expect.poll(linkNames, { timeout: 5_000 }).toEqual(['data', 'lo', 'tsswarm0']);
  const rules = execFileSync('ip', ['netns', 'exec', ground.namespace, 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
  expect(rules).not.toContain('swarm_gwbridge');
});

function linkNames(): string[] {
  const links = execFileSync('ip', ['-n', ground.namespace, '-j', 'link'], { encoding: 'utf8' });
  return (JSON.parse(links) as { ifname: string }[]).map(({ ifname }) => ifname).sort();
}

function exitOn(code: string) {
  return { args: ['sh', '-c', `trap "exit ${code}" USR1; while true; do sleep 0.05; done`] };
}
