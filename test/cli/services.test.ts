import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogBatch, LogLine, LogStream } from '../../proto/gen/index.js';
import { TestSwarm } from './swarm.js';

let swarm: TestSwarm;
beforeEach(async () => {
  swarm = new TestSwarm();
  await swarm.start();
});
afterEach(() => swarm.stop());

const create = async (...argv: string[]): Promise<string> => {
  const { code, out, err } = await swarm.cli('service', 'create', '--detach', ...argv);
  expect(err).toBe('');
  expect(code).toBe(0);
  return out.trim();
};

describe('service', () => {
  it('create - shows progress until the service has converged', async () => {
    const { code, out, err } = await swarm.cli(
      'service',
      'create',
      '--name',
      'web',
      '--replicas',
      '3',
      'web',
      'httpd',
      '-d',
    );
    expect(err).toBe('');
    expect(code).toBe(0);
    const lines = out.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^[0-9a-z]{25}$/);
    expect(lines).toContain('overall progress: 3 out of 3 tasks');
    expect(lines).toContain('3/3: running');
    expect(lines.at(-1)).toBe(`verify: Service ${lines[0]} converged`);
    const { out: args } = await swarm.cli(
      'service',
      'inspect',
      '-f',
      '{{json .Spec.TaskTemplate.ContainerSpec.Args}}',
      'web',
    );
    expect(args).toBe('["httpd","-d"]\n');
  });

  it('create - makes up a name where none is given', async () => {
    await create('web');
    await create('web');
    const names = (await swarm.cli('service', 'ls', '--format', '{{.Name}}')).out.trim().split('\n');
    expect(names).toEqual([expect.stringMatching(/^[a-z]+_[a-z]+$/), expect.stringMatching(/^[a-z]+_[a-z]+$/)]);
    expect(new Set(names).size).toBe(2);
  });

  it('create - draws bars in place on a terminal', async () => {
    const { out } = await swarm.cliWith({ columns: 80 }, 'service', 'create', '--name', 'web', 'web');
    expect(out).toContain('\x1b[2K1/1: running   [==');
    expect(out).toContain('\x1b[2A');
  });

  it('create - Ctrl-C leaves the service alone', async () => {
    swarm.fate = () => 'task: non-zero exit (1)';
    const interrupt = new AbortController();
    let out = '';
    const io = {
      interrupted: () => interrupt.signal,
      out: (text: string | Uint8Array) => {
        out += text.toString();
        if (out.includes('1/1:')) interrupt.abort();
      },
    };
    const { code } = await swarm.cliWith(io, 'service', 'create', '--name', 'web', 'web');
    expect(code).toBe(0);
    expect(out).toContain('Operation continuing in background.\nUse `tsswarm service ps ');
  });

  it('create - a task that fails is shown with its error', async () => {
    let failures = 0;
    swarm.fate = () => (failures++ === 0 ? 'task: non-zero exit (3)' : undefined);
    const { code, out } = await swarm.cli('service', 'create', '--name', 'web', '--restart-delay', '1s', 'web');
    expect(code).toBe(0);
    expect(out).toContain('task: non-zero exit (3)');
    const ps = await swarm.cli('service', 'ps', 'web', '--format', '{{.Name}} {{.DesiredState}} {{.Error}}');
    expect(ps.out).toBe('web.1 Running \nweb.1 Shutdown "task: non-zero exit (3)"\n');
  });

  it.each([
    [
      125,
      ['--publish', '8080:99999', 'web'],
      'invalid argument "8080:99999" for "--publish" flag: "99999" is not a port',
    ],
    [125, ['--mount', 'type=bind,source=/a', 'web'], 'the target is missing'],
    [1, ['--network', 'nope', 'web'], 'nope'],
    [1, ['--secret', 'key', 'web'], 'secret not found: key'],
    [125, ['--env-file', '/no/such/file', 'web'], 'invalid argument "/no/such/file" for "--env-file" flag: ENOENT'],
  ])('create - exits with %i for %j and says what is wrong', async (exit, argv, words) => {
    const { code, out, err } = await swarm.cli('service', 'create', ...argv);
    expect(code).toBe(exit);
    expect(out).toBe('');
    expect(err).toMatch(/^Error: /);
    expect(err).toContain(words);
    expect(err).not.toContain('    at ');
  });

  it('create - a port that another service publishes', async () => {
    await create('--name', 'web', '--publish', '8080:80', 'web');
    const { code, err } = await swarm.cli('service', 'create', '-d', '--name', 'web2', '--publish', '8080:80', 'web');
    expect(code).toBe(1);
    expect(err).toContain('web');
    expect(err).toContain('8080');
  });

  it('ls, ps and inspect', async () => {
    const created = await swarm.cli('service', 'create', '--name', 'web', '--replicas', '2', '-p', '8080:80', 'web');
    const id = created.out.split('\n')[0] ?? '';
    const ls = await swarm.cli('service', 'ls');
    expect(ls.out).toBe(
      'ID             NAME      MODE         REPLICAS   IMAGE        PORTS\n' +
        `${id.slice(0, 12)}   web       replicated   2/2        web:latest   *:8080->80/tcp\n`,
    );
    expect((await swarm.cli('service', 'ls', '-q')).out).toBe(`${id.slice(0, 12)}\n`);
    expect((await swarm.cli('service', 'ls', '-f', 'name=nope', '--format', 'json')).out).toBe('');
    expect((await swarm.cli('service', 'ls', '--filter', 'name')).err).toContain('bad format of filter');
    const ps = await swarm.cli('service', 'ps', 'web');
    expect(ps.out).toMatch(/^ID +NAME +IMAGE +NODE +DESIRED STATE +CURRENT STATE +ERROR +PORTS\n/);
    expect(ps.out).toMatch(/ web\.1 +web:latest +node[12] +Running +Running .* ago/);
    const node = await swarm.cli('node', 'ps', 'node1', 'node2', '--format', '{{.Name}} {{.Node}}');
    expect(node.out).toMatch(/^web\.1 node[12]\nweb\.2 node[12]\n$/);
    const [inspected] = JSON.parse((await swarm.cli('service', 'inspect', 'web')).out) as {
      ID: string;
      Spec: unknown;
    }[];
    expect(inspected).toMatchObject({ ID: id, Spec: { Name: 'web', Mode: { Replicated: { Replicas: 2 } } } });
    expect((await swarm.cli('service', 'inspect', '--pretty', 'web')).out).toContain(
      'PublishedPort:  8080 -> 80/tcp (ingress)',
    );
  });

  it('ps - says why a task waits', async () => {
    await create('--name', 'web', '--constraint', 'node.hostname==nowhere', 'web');
    const answer = { out: '' };
    await expect
      .poll(async () => Object.assign(answer, await swarm.cli('service', 'ps', 'web')).out)
      .toContain('no suitable node');
    expect(answer.out).toContain('Pending');
  });

  it('inspect and rm - unknown names fail, the others are done', async () => {
    await create('--name', 'web', 'web');
    const inspected = await swarm.cli('service', 'inspect', 'web', 'nope', '-f', '{{.Spec.Name}}');
    expect(inspected).toMatchObject({ code: 1, out: 'web\n' });
    expect(inspected.err).toContain('no such service: nope');
    const removed = await swarm.cli('service', 'rm', 'nope', 'web');
    expect(removed).toMatchObject({ code: 1, out: 'web\n' });
    expect((await swarm.cli('service', 'ls', '-q')).out).toBe('');
  });

  it('scale - several at once, to none, and not of a global service', async () => {
    await create('--name', 'a', 'web');
    await create('--name', 'b', 'web');
    await create('--name', 'g', '--mode', 'global', 'web');
    const scaled = await swarm.cli('service', 'scale', 'a=3', 'b=0');
    expect(scaled).toMatchObject({ code: 0, err: '' });
    expect(scaled.out).toContain('a scaled to 3\nb scaled to 0\n');
    expect(scaled.out.match(/verify: Service \w+ converged/g)).toHaveLength(2);
    expect((await swarm.cli('service', 'ls', '--format', '{{.Name}} {{.Replicas}}')).out).toBe('a 3/3\nb 0/0\ng 2/2\n');
    expect((await swarm.cli('service', 'scale', 'a')).err).toContain('invalid scale specifier "a"');
    expect((await swarm.cli('service', 'scale', 'a=many')).code).toBe(1);
    expect((await swarm.cli('service', 'scale', 'g=2')).err).toContain('g: scale can only be used with replicated');
  });

  it('rebalance - shows the moves, makes them, and says when it is even', async () => {
    await swarm.cli('node', 'update', '--availability', 'drain', 'node2');
    await swarm.cli('service', 'create', '-q', '--name', 'web', '--replicas', '4', 'web:1');
    expect(await swarm.cli('service', 'rebalance', 'web')).toMatchObject({ code: 0, out: 'web: even already\n' });
    await swarm.cli('node', 'update', '--availability', 'active', 'node2');
    const moves = /^(web\.\d: node1 → node2\n){2}/;
    expect((await swarm.cli('service', 'rebalance', '--all', '--dry-run')).out).toMatch(moves);
    const { code, out } = await swarm.cli('service', 'rebalance', 'web');
    expect(out).toMatch(moves);
    expect(out.trimEnd().split('\n')[2]).toBe('web: 2 tasks moved');
    expect(code).toBe(0);
    const ps = await swarm.cli('service', 'ps', '-f', 'desired-state=running', '--format', '{{.Node}}', 'web');
    expect(ps.out.trimEnd().split('\n').sort()).toEqual(['node1', 'node1', 'node2', 'node2']);
    expect((await swarm.cli('service', 'ps', 'web')).out).toContain('"moved to node2"');
    expect((await swarm.cli('service', 'inspect', '--pretty', 'web')).out).toContain('Tasks Moved:');
  });

  it('depends-on - says what a task waits for, and what is gone that others depend on', async () => {
    await swarm.cli('service', 'create', '-q', '--name', 'db', '--replicas', '0', 'web:1');
    const unknown = await swarm.cli('service', 'create', '--name', 'web', '--depends-on', 'cache', 'web:1');
    expect(unknown.err).toContain('no such service: cache');
    await swarm.cli('service', 'create', '-d', '--name', 'web', '--depends-on', 'db:healthy', 'web:1');
    await expect
      .poll(async () => (await swarm.cli('service', 'ps', '--format', '{{.Error}}', 'web')).out)
      .toBe('"waiting for service db to be healthy (0/0)"\n');
    expect((await swarm.cli('service', 'inspect', '--pretty', 'web')).out).toMatch(/Depends On:\s+db \(healthy\)/);
    const update = ['service', 'update', '-d', '--depends-on-add', 'web', 'db'];
    expect((await swarm.cli(...update)).err).toContain('service db would wait for itself: db → web → db');
    expect(await swarm.cli('service', 'rm', 'db')).toMatchObject({
      code: 0,
      out: 'db\n',
      err: 'WARNING: service web depends on db, which does not exist any more: it is not waited for\n',
    });
    await expect
      .poll(async () => (await swarm.cli('service', 'ps', '--format', '{{.CurrentState}}', 'web')).out)
      .toMatch(/^Running/);
  });

  it('rebalance - refuses what cannot be even, and wants to know what', async () => {
    await swarm.cli('service', 'create', '-q', '--mode', 'global', '--name', 'agent', 'web:1');
    const refused = await swarm.cli('service', 'rebalance', 'agent');
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.err).toContain('service agent cannot be rebalanced: its mode is global');
    expect((await swarm.cli('service', 'rebalance')).err).toContain('"service rebalance" needs a service');
    expect((await swarm.cli('service', 'rebalance', '--all', 'agent')).err).toContain('--all cannot be used');
    expect((await swarm.cli('service', 'rebalance', 'nothing')).err).toContain('nothing');
  });

  it('autoscale - a range, within which it can be scaled by hand too', async () => {
    await create('--name', 'web', '--autoscale', 'min=2,max=4,cpu=60%', '--limit-cpu', '0.5', 'web');
    const list = () => swarm.cli('service', 'ls', '--format', '{{.Replicas}}');
    await expect.poll(async () => (await list()).out).toBe('2/2 (2 to 4 by load)\n');
    expect(await swarm.cli('service', 'scale', 'web=3')).toMatchObject({ code: 0, err: '' });
    const refused = await swarm.cli('service', 'scale', 'web=5');
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('service web has 2 to 4 tasks as its load asks for, and not 5');
    const ps = await swarm.cli('service', 'ps', 'web');
    expect(ps.err).toContain('web: 2 to 4 tasks by load');
    expect((await swarm.cli('service', 'ps', '-q', 'web')).err).toBe('');
    expect((await swarm.cli('service', 'inspect', '--pretty', 'web')).out).toContain(
      ' CPU:            60 % of 0.5 CPU\n',
    );
    const global = await swarm.cli(
      'service',
      'create',
      '--name',
      'g',
      '--mode',
      'global',
      '--autoscale',
      'max=4,cpu=60%',
      'web',
    );
    expect(global.err).toContain('only replicated services can be scaled by load, not a global one');
    expect((await swarm.cli('service', 'update', '--autoscale', 'none', '--replicas', '9', 'web')).code).toBe(0);
    expect((await list()).out).toBe('9/9\n');
  });

  it('update and rollback', async () => {
    await create('--name', 'web', '--env', 'A=1', '--label', 'a=1', 'web');
    const updated = await swarm.cli(
      'service',
      'update',
      '--env-add',
      'B=2',
      '--image',
      'web:2',
      '--update-monitor',
      '100ms',
      'web',
    );
    expect(updated).toMatchObject({ code: 0, err: '' });
    expect(updated.out).toMatch(/^web\n/);
    expect(updated.out).toMatch(/verify: Service \w+ converged\n$/);
    const env = '{{.Spec.TaskTemplate.ContainerSpec.Image}} {{.Spec.TaskTemplate.ContainerSpec.Env}}';
    expect((await swarm.cli('service', 'inspect', '-f', env, 'web')).out).toBe('web:2 [A=1 B=2]\n');
    const back = await swarm.cli('service', 'rollback', 'web');
    expect(back).toMatchObject({ code: 0, err: '' });
    expect((await swarm.cli('service', 'inspect', '-f', env, 'web')).out).toBe('web:latest [A=1]\n');
  });

  it('update - one that fails is paused, with exit code 1', async () => {
    await create('--name', 'web', '--restart-condition', 'none', 'web');
    await expect.poll(async () => (await swarm.cli('service', 'ls', '--format', '{{.Replicas}}')).out).toBe('1/1\n');
    swarm.fate = () => 'task: non-zero exit (1)';
    const { code, err } = await swarm.cli('service', 'update', '--image', 'web:2', 'web');
    expect(code).toBe(1);
    expect(err).toContain('Error: service update paused: ');
  });

  it('logs - with task and node, and each stream where it belongs', async () => {
    await create('--name', 'web', 'web');
    const { out } = await swarm.cli('service', 'ps', 'web', '-q', '--no-trunc');
    const taskId = out.trim();
    const line = (text: string, stream: LogStream) =>
      LogLine.create({ timestampMs: 1_795_244_561_672, timestampNs: 5, stream, data: Buffer.from(text) });
    const lines = [line('hello ', LogStream.STDOUT), line('you\n', LogStream.STDOUT), line('oh\n', LogStream.STDERR)];
    swarm.logs = () => [LogBatch.create({ taskId, nodeId: 'node2id', lines })];
    const prefix = `web.1.${taskId.slice(0, 12)}@node2    | `;
    expect(await swarm.cli('service', 'logs', 'web')).toEqual({
      code: 0,
      out: `${prefix}hello you\n`,
      err: `${prefix}oh\n`,
    });
    expect((await swarm.cli('service', 'logs', '--raw', '-t', taskId)).out).toBe(
      '2026-11-21T07:02:41.672000005Z hello you\n',
    );
    expect((await swarm.cli('service', 'logs', 'nope')).err).toBe('Error: no such task or service: nope\n');
    expect((await swarm.cli('service', 'logs', '--since', 'noon', 'web')).err).toContain(
      'invalid argument "noon" for "--since" flag',
    );
  });
});
