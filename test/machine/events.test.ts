import { afterEach, expect, test } from 'vitest';
import { IMAGE, useMachine } from './machine.js';

const machine = useMachine();
let since = 0;

afterEach(async () => {
  await machine.clear();
  await machine.run('network', 'prune', '-f');
});

/** What has happened since the test began, a line each. */
async function told(format: string, ...flags: readonly string[]): Promise<readonly string[]> {
  const times = ['--since', String(since / 1000), '--until', '0s'];
  const out = await machine.run('events', ...times, ...flags, '--format', format);
  return out.replace(/\n$/, '').split('\n');
}

/** Times have no more digits than milliseconds. */
async function begin(): Promise<void> {
  since = Date.now() + 1;
  while (Date.now() < since) await new Promise((resolve) => setImmediate(resolve));
}

test('run --rm - the life of a container, and of its endpoint, as Docker tells it', async () => {
  await begin();
  await machine.outcome('run', '--rm', '--name', 'box', '--label', 'tier=front', IMAGE, 'sh', '-c', 'exit 3');
  expect(await told('{{.Type}} {{.Action}}{{with .Actor.Attributes.exitCode}} {{.}}{{end}}')).toEqual([
    'container create',
    'container attach',
    'network connect',
    'container start',
    'container die 3',
    'network disconnect',
    'container destroy',
  ]);
  const [json = ''] = await told('json', '-f', 'container=box', '-f', 'event=die');
  const { id, Actor, ...die } = JSON.parse(json);
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect(Actor).toEqual({ ID: id, Attributes: { exitCode: '3', image: IMAGE, name: 'box', tier: 'front' } });
  expect(die).toMatchObject({ status: 'die', from: IMAGE, Type: 'container', Action: 'die', scope: 'local' });
  const [connect = ''] = await told('{{json .Actor.Attributes}}', '-f', 'event=connect', '-f', `container=${id}`);
  expect(JSON.parse(connect)).toEqual({ container: id, name: 'bridge', type: 'bridge' });
});

test('what people do - stop, exec, kill, networks and images', async () => {
  await begin();
  await machine.run('network', 'create', 'back');
  await machine.run('run', '-d', '--name', 'box', IMAGE, 'sleep', '1000');
  await machine.outcome('exec', 'box', 'sh', '-c', 'exit 4');
  await machine.run('network', 'connect', 'back', 'box');
  await machine.run('network', 'disconnect', 'back', 'box');
  await machine.run('stop', '-t', '0', 'box');
  await machine.run('start', 'box');
  await machine.run('kill', 'box');
  await machine.run('rm', 'box');
  await machine.run('network', 'rm', 'back');
  const ifAny = (name: string) => `{{with .${name}}} {{.}}{{end}}`;
  const format = `{{.Action}}{{with .Actor.Attributes}}${ifAny('signal')}${ifAny('exitCode')} {{.name}}{{end}}`;
  expect(await told(format, '-f', 'type=container')).toEqual([
    'create box',
    'start box',
    'exec_create: sh -c exit 4 box',
    'exec_start: sh -c exit 4 box',
    'exec_die 4 box',
    'die 137 box',
    'stop box',
    'start box',
    'kill 9 box',
    'die 137 box',
    'destroy box',
  ]);
  expect(await told(format, '-f', 'type=network')).toEqual([
    'create back',
    'connect bridge',
    'connect back',
    'disconnect back',
    'disconnect bridge',
    'connect bridge',
    'disconnect bridge',
    'destroy back',
  ]);
});

test('health - when it is another', async () => {
  await begin();
  await machine.run(
    'run',
    '-d',
    '--name',
    'box',
    '--health-cmd',
    'true',
    '--health-interval',
    '200ms',
    IMAGE,
    'sleep',
    '1000',
  );
  const format = '{{.Action}} {{.Actor.Attributes.name}}';
  const statuses = () => told(format, '-f', 'event=health_status');
  await expect.poll(statuses, { timeout: 15_000 }).toEqual(['health_status: healthy box']);
});

test('a restart of the daemon - what is followed goes on, and the end of a container is told with its name', async () => {
  // A name of its own: other tests' containers are in the history, too.
  await machine.run('run', '-d', '--name', 'kept', IMAGE, 'sleep', '1000');
  const follower = machine.start('events', '--since', '1m', '--format', '{{.Action}} {{.Actor.Attributes.name}};');
  await follower.prints('start kept;');
  await machine.restart();
  await machine.run('kill', 'kept');
  await follower.prints('die kept;');
  // It was printed before, but comes by another pipe.
  await expect
    .poll(() => follower.err, { timeout: 10_000 })
    .toContain('Warning: events of this machine went by unseen');
  follower.child.kill('SIGINT');
});

test('images - as they come and go', async () => {
  since = 0;
  const format = '{{.Action}} {{.Actor.Attributes.name}}';
  // The daemon that has it imported has been restarted since.
  expect(await told(format, '-f', 'type=image')).toEqual(['']);
  await begin();
  const { Id } = await machine.inspect(IMAGE);
  await machine.run('image', 'rm', IMAGE);
  expect(await told(format, '-f', 'type=image')).toEqual([`untag ${IMAGE}`, `delete ${Id}`]);
});
