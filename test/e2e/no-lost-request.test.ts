import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { execute, nodeOf, runningTasks, type TaskRow, tsswarm, tsswarmInspect } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { Load } from '../../demo/traffic.js';
import { GRACEFUL_COMMAND, GRACEFUL_FLAGS } from './graceful-server.js';
import { addressOf, IMAGE, useLab } from './lab.js';
import { mend, signalDaemon, succeed, untilSettled } from './managers.js';

// A daemon that starts slowly on a busy machine is not to lose its tasks.
useLab(3, '--managers', '3', '--dispatcher-heartbeat', '10s');

const NODES = [1, 2, 3];
const PORT = 8080;
/** Connections that are kept to each node. */
const KEEP = 2;
const REPLICAS = 4;

let load: Load;
/** What had been sent before the test. */
let sent = 0;

beforeAll(async () => {
  const flags = ['--replicas', String(REPLICAS), '--publish', `${PORT}:80`, ...GRACEFUL_FLAGS];
  const policy = ['--update-monitor', '100ms', '--restart-delay', '100ms'];
  await tsswarm('service', 'create', '--quiet', '--name', 'web', ...flags, ...policy, IMAGE, ...GRACEFUL_COMMAND);
  load = new Load(
    NODES.map((node) => `http://${addressOf(node)}:${PORT}/`),
    // A request that is answered late is not lost.
    { keep: KEEP, timeout: 5_000 },
  );
});
afterAll(async () => {
  await load?.stop();
});
beforeEach(async () => {
  await moreRequests(20);
  sent = load.samples.length;
});
afterEach(async () => {
  await mend(NODES);
  await untilSettled(NODES);
});

const failures = () => load.samples.slice(sent).filter(({ error }) => error !== undefined);

async function moreRequests(count: number): Promise<void> {
  const target = load.samples.length + count;
  await until(`${count} more requests`, 20, async () => load.samples.length >= target || undefined);
}

/** Resolves when just these tasks answer, in new connections and in those that are kept. */
async function answeredBy(tasks: readonly TaskRow[]): Promise<void> {
  const wanted = new Set(tasks.map(({ ID }) => ID.slice(0, 12)));
  await until(`the answers are those of ${tasks.length} tasks`, 20, async () => {
    const recent = load.samples.slice(-150);
    const seen = new Set(recent.map(({ hostname = '' }) => hostname));
    return (seen.size === wanted.size && [...seen].every((name) => wanted.has(name))) || undefined;
  });
}

async function settled(replicas: number, isRight: (tasks: readonly TaskRow[]) => boolean = () => true): Promise<void> {
  const tasks = await until(`${replicas} tasks as wanted`, 40, async () => {
    const running = await runningTasks('web');
    return running.length === replicas && isRight(running) ? running : undefined;
  });
  await answeredBy(tasks);
}

interface InspectedTask {
  readonly Status: { readonly State: string; readonly ContainerStatus: { readonly PID: number } };
}
const inspected = ({ ID }: TaskRow) => tsswarmInspect<InspectedTask>('inspect', '--type', 'task', ID);
const stateOf = async (task: TaskRow) => (await inspected(task)).Status.State;
const pidOf = async (task: TaskRow) => (await inspected(task)).Status.ContainerStatus.PID;

const scale = (replicas: number) => tsswarm('service', 'scale', `web=${replicas}`);

test('scale - up and down', async () => {
  await scale(8);
  await settled(8);
  await scale(2);
  await settled(2);
  await scale(REPLICAS);
  await settled(REPLICAS);
  expect(failures()).toEqual([]);
});

test.each(['start-first', 'stop-first'])('rolling update - %s', async (order) => {
  const before = new Set((await runningTasks('web')).map(({ ID }) => ID));
  await tsswarm('service', 'update', '--update-order', order, '--env-add', `ORDER=${order}`, 'web');
  await settled(REPLICAS, (tasks) => tasks.every(({ ID }) => !before.has(ID)));
  expect(failures()).toEqual([]);
});

test('service update --force', async () => {
  const before = new Set((await runningTasks('web')).map(({ ID }) => ID));
  await tsswarm('service', 'update', '--force', '--update-parallelism', '2', 'web');
  await settled(REPLICAS, (tasks) => tasks.every(({ ID }) => !before.has(ID)));
  expect(failures()).toEqual([]);
});

test('node drain - and back', async () => {
  await tsswarm('node', 'update', '--availability', 'drain', 'node3');
  await settled(REPLICAS, (tasks) => tasks.every(({ Node }) => Node !== 'node3'));
  await tsswarm('node', 'update', '--availability', 'active', 'node3');
  await moreRequests(100);
  expect(failures()).toEqual([]);
});

test('every daemon in turn stops and starts, as for an upgrade', async () => {
  for (const node of NODES) {
    await tsswarm('lab', 'stop', `node${node}`);
    await moreRequests(30);
    await tsswarm('lab', 'start', `node${node}`);
    await untilSettled(NODES);
  }
  await moreRequests(100);
  expect(failures()).toEqual([]);
});

test('tasks stop while a daemon does not answer - its node goes on sending to them, and is waited for', async () => {
  await scale(6);
  await settled(6);
  const leader = await untilSettled(NODES);
  const [silent] = NODES.filter((node) => node !== leader) as [number];
  signalDaemon(nodeOf(silent), 'SIGSTOP');
  await succeed(leader, 'service', 'update', '--detach', '--replicas', '2', 'web');
  await moreRequests(100);
  signalDaemon(nodeOf(silent), 'SIGCONT');
  await settled(2);
  await scale(REPLICAS);
  await settled(REPLICAS);
  expect(failures()).toEqual([]);
});

test('manager fail-over - kill -9 of the leader, while tasks are replaced', async () => {
  const leader = await untilSettled(NODES);
  const other = NODES.find((node) => node !== leader) ?? 0;
  const before = new Set((await runningTasks('web')).map(({ ID }) => ID));
  await succeed(other, 'service', 'update', '--detach', '--force', '--update-parallelism', '1', 'web');
  await moreRequests(50);
  await tsswarm('lab', 'kill', `node${leader}`);
  await moreRequests(100);
  await tsswarm('lab', 'start', `node${leader}`);
  await settled(REPLICAS, (tasks) => tasks.every(({ ID }) => !before.has(ID)));
  expect(failures()).toEqual([]);
});

test('a task crashes - only what was sent to it before its end was known is lost', async () => {
  const [task] = await runningTasks('web');
  if (!task) throw new Error('nothing runs');
  await execute('kill', ['-9', String(await pidOf(task))]);
  await until('its end is known', 20, async () => ((await stateOf(task)) === 'failed' ? true : undefined));
  const known = Date.now();
  await settled(REPLICAS, (tasks) => tasks.every(({ ID }) => ID !== task.ID));
  expect(failures().filter(({ at }) => at > known + 1_000)).toEqual([]);
});
