import { afterEach, expect, test } from 'vitest';
import { execAt, runningTasks, tasksOf, tsswarm, tsswarmInspect } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { addressOf, IMAGE, useLab } from './lab.js';

useLab(2);

const CHECK = ['--health-interval', '300ms', '--health-retries', '2'];

afterEach(() => tsswarm('service', 'rm', 'web'));

function create(...args: readonly string[]): Promise<string> {
  return tsswarm('service', 'create', '--quiet', '--name', 'web', ...CHECK, '--publish', '8080:80', ...args);
}

const curl = (node: number) =>
  execAt('client', ['curl', '--silent', '--max-time', '1', '--output', '/dev/null', `http://${addressOf(node)}:8080/`]);

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
