import { afterEach, expect, test } from 'vitest';
import { execAt, execute, runningTasks, type TaskRow, tasksOf, tsswarm, tsswarmInspect } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { Load } from '../../demo/traffic.js';
import { addressOf, IMAGE, onNode, useLab } from './lab.js';

// Grace enough for a daemon's restart on a machine that does other things too.
useLab(2, '--dispatcher-heartbeat', '10s');

/** It goes on answering when it is told to stop. */
const STUBBORN = ['sh', '-c', "trap '' TERM; httpd -f -p 80 -h /www"];
const CHECK = ['--health-interval', '300ms', '--health-retries', '2'];

let load: Load | undefined;
afterEach(async () => {
  await load?.stop();
  load = undefined;
  await tsswarm('service', 'rm', 'web');
});

function create(...args: readonly string[]): Promise<string> {
  return tsswarm('service', 'create', '--quiet', '--name', 'web', ...CHECK, '--publish', '8080:80', ...args);
}

async function inside(task: TaskRow, ...command: readonly string[]): Promise<void> {
  const { code, stderr } = await onNode(Number(task.Node.replace('node', '')), 'exec', task.ID, ...command);
  if (code !== 0) throw new Error(`exec in ${task.Name}: ${stderr}`);
}

interface InspectedTask {
  readonly Status: {
    readonly State: string;
    readonly Message: string;
    readonly Health?: string;
    readonly ContainerStatus: { readonly PID: number };
  };
}
const inspect = async ({ ID }: Pick<TaskRow, 'ID'>) =>
  (await tsswarmInspect<InspectedTask>('inspect', '--type', 'task', ID)).Status;

const curl = (node: number) =>
  execAt('client', ['curl', '--silent', '--max-time', '1', '--output', '/dev/null', `http://${addressOf(node)}:8080/`]);

test('a task is starting, and reached by nobody, until it is healthy; and stays so when its daemon is killed', async () => {
  await create(
    '--detach',
    '--health-cmd',
    '[ -e /tmp/ok ]',
    '--health-retries',
    '1000',
    '--constraint',
    'node.hostname==node2',
    IMAGE,
  );
  const task = await until('it waits for its check', 20, async () => {
    const [row] = await tasksOf('web');
    return row && (await inspect(row)).Health === 'starting' ? row : undefined;
  });
  expect(await inspect(task)).toMatchObject({ State: 'starting', Message: 'starting: waiting for the health check' });
  expect((await curl(1)).code).not.toBe(0);
  await inside(task, 'touch', '/tmp/ok');
  await until('it is reached', 20, async () => ((await curl(1)).code === 0 ? true : undefined));
  const before = await inspect(task);
  expect(before).toMatchObject({ State: 'running', Health: 'healthy' });

  await inside(task, 'rm', '/tmp/ok');
  await tsswarm('lab', 'kill', 'node2');
  await tsswarm('lab', 'start', 'node2');
  await until('its node is back', 30, async () => ((await onNode(2, 'ps', '-q')).stdout !== '' ? true : undefined));
  expect((await onNode(2, 'ps', '--format', '{{.Status}}')).stdout).toContain('(healthy)');
  expect(await inspect(task)).toMatchObject({
    State: 'running',
    Health: 'healthy',
    ContainerStatus: before.ContainerStatus,
  });
  expect(await runningTasks('web')).toMatchObject([{ ID: task.ID }]);
});

test('a task that becomes unhealthy gets no more requests, and is replaced; none fails', async () => {
  await create(
    ...['--health-cmd', '[ ! -e /tmp/ill ] || { echo broken; exit 1; }', '--replicas', '2'],
    ...['--restart-delay', '100ms', '--stop-grace-period', '60s', IMAGE, ...STUBBORN],
  );
  const [ill] = await runningTasks('web');
  if (!ill) throw new Error('nothing runs');
  const { PID } = (await inspect(ill)).ContainerStatus;
  const hostname = ill.ID.slice(0, 12);
  load = new Load([1, 2].map((node) => `http://${addressOf(node)}:8080/`));
  const { samples } = load;
  await until('it answers', 10, async () => samples.some((sample) => sample.hostname === hostname) || undefined);
  await inside(ill, 'touch', '/tmp/ill');
  await until('it is known to be unhealthy', 10, async () =>
    (await inspect(ill)).Health === 'unhealthy' ? true : undefined,
  );
  await until('it is out', 3, async () => {
    const recent = samples.slice(-20);
    return recent.every((sample) => sample.hostname !== hostname) || undefined;
  });
  const out = samples.length;
  // Its process is there still, and would answer.
  expect((await execute('kill', ['-0', String(PID)])).code).toBe(0);
  await execute('kill', ['-9', String(PID)]);
  const failed = await until('it has failed', 20, async () =>
    (await tasksOf('web')).find(({ ID, CurrentState }) => ID === ill.ID && CurrentState.startsWith('Failed')),
  );
  expect(failed.Error).toContain('unhealthy container: its health check failed');
  expect(failed.Error).toContain('last output: broken');
  await until('another one runs', 20, async () => ((await runningTasks('web')).length === 2 ? true : undefined));
  await load.stop();
  expect(samples.slice(out).filter((sample) => sample.hostname === hostname)).toEqual([]);
  expect(load.failures).toEqual([]);
});

test('an update that never becomes healthy is rolled back, and says why', async () => {
  await create(
    '--health-cmd',
    'true',
    '--update-failure-action',
    'rollback',
    '--update-monitor',
    '3s',
    '--rollback-monitor',
    '5s',
    IMAGE,
  );
  await tsswarm('service', 'update', '--detach', '--health-cmd', 'echo no answer; exit 1', 'web');
  const messages = new Set<string>();
  await until('it was rolled back', 40, async () => {
    const { UpdateStatus } = await tsswarmInspect<{ UpdateStatus?: { State: string; Message: string } }>(
      ...['service', 'inspect', 'web'],
    );
    messages.add(UpdateStatus?.Message ?? '');
    return UpdateStatus?.State === 'rollback_completed' || undefined;
  });
  const reason = 'unhealthy container: its health check failed 2 times in a row, last output: no answer';
  expect(
    [...messages].filter((message) => message.startsWith('update rolled back') && message.includes(reason)),
  ).not.toEqual([]);
  expect((await tasksOf('web')).map((task) => task.Error)).toContain(`"${reason}"`);
  expect(await runningTasks('web')).toHaveLength(1);
  expect((await curl(2)).code).toBe(0);
});
