import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

describe('node', () => {
  it('ls, inspect and update', async () => {
    const ls = await swarm.cli('node', 'ls');
    expect(ls.out).toBe(
      'ID          HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION\n' +
        'node1id *   node1      Ready     Active         Leader           0.1.0\n' +
        'node2id     node2      Ready     Active                          0.1.0\n',
    );
    const updated = await swarm.cli('node', 'update', '--availability', 'drain', '--label-add', 'zone=a', 'node2');
    expect(updated).toMatchObject({ code: 0, out: 'node2\n' });
    expect(
      (await swarm.cli('node', 'inspect', '-f', '{{.Spec.Availability}} {{.Spec.Labels.zone}}', 'node2')).out,
    ).toBe('drain a\n');
    expect((await swarm.cli('node', 'inspect', 'self', '--pretty')).out).toContain('Hostname:        node1\n');
    expect((await swarm.cli('node', 'update', '--availability', 'off', 'node2')).err).toContain(
      'invalid argument "off" for "--availability" flag: must be one of active, pause, drain',
    );
    expect((await swarm.cli('node', 'rm', 'node2')).code).toBe(1);
    expect(await swarm.cli('node', 'rm', '--force', 'node2')).toMatchObject({ code: 0, out: 'node2\n' });
  });
});

describe('network', () => {
  it('create, ls, inspect, use and rm', async () => {
    const created = await swarm.cli(
      'network',
      'create',
      '-d',
      'overlay',
      '--subnet',
      '10.9.0.0/24',
      '--gateway',
      '10.9.0.254',
      'back',
    );
    expect(created).toMatchObject({ code: 0, err: '' });
    const id = created.out.trim();
    expect((await swarm.cli('network', 'ls', '-f', 'name=back')).out).toBe(
      `NETWORK ID     NAME      DRIVER    SCOPE\n${id.slice(0, 12)}   back      overlay   swarm\n`,
    );
    expect((await swarm.cli('network', 'create', '-d', 'bridge', 'back')).err).toBe(
      `Error: network with name back already exists\nIt is a network of the swarm, with id ${id}.\n`,
    );
    await expect
      .poll(async () => (await swarm.cli('network', 'inspect', '-f', '{{json .IPAM.Config}}', 'back')).out)
      .toBe('[{"Subnet":"10.9.0.0/24","Gateway":"10.9.0.254"}]\n');
    const made = await swarm.cli('service', 'create', '-d', '--name', 'web', '--network', 'name=back,alias=www', 'web');
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(
      (await swarm.cli('service', 'inspect', '-f', '{{(index .Spec.TaskTemplate.Networks 0).Target}}', 'web')).out,
    ).toBe(`${id}\n`);
    expect((await swarm.cli('network', 'rm', 'back')).code).toBe(1);
    await swarm.cli('service', 'update', '-d', '--network-rm', 'back', 'web');
    expect((await swarm.cli('service', 'inspect', '-f', '{{len .Spec.TaskTemplate.Networks}}', 'web')).out).toBe('0\n');
  });

  it.each([
    [125, ['--subnet', '10.9.0.0/33', 'x'], '"10.9.0.0/33" is not a subnet'],
    [1, ['--subnet', '10.9.0.0/24', '--subnet', '10.9.0.0/16', 'x'], 'the subnets 10.9.0.0/24 and 10.9.0.0/16 overlap'],
    [1, ['--gateway', '10.9.0.1', 'x'], 'no matching subnet'],
    [1, ['--subnet', '10.9.0.0/24', '--ip-range', '10.9.0.0/16', 'x'], 'is larger than its subnet'],
    [125, ['-d', 'macvlan', 'x'], 'invalid argument "macvlan" for "--driver" flag'],
    [1, ['-d', 'overlay', 'bridge'], 'network with name bridge already exists'],
  ])('create exits with %i for %j', async (exit, argv, words) => {
    const { code, err } = await swarm.cli('network', 'create', ...argv);
    expect(code).toBe(exit);
    expect(err).toContain(words);
  });
});

describe('the ingress network', () => {
  it('is removed only by who is sure', async () => {
    const asked = await swarm.cli('network', 'rm', 'ingress');
    expect(asked).toMatchObject({ code: 0, out: expect.stringContaining('Are you sure you want to continue?') });
    const names = async () => (await swarm.cli('network', 'ls', '--format', '{{.Name}}')).out;
    expect(await names()).toContain('ingress');
    expect(await swarm.cli('network', 'rm', '-f', 'ingress')).toMatchObject({ code: 0, out: 'ingress\n' });
    expect(await names()).not.toContain('ingress');
  });
});

describe('swarm', () => {
  it('join-token - shows, rotates', async () => {
    const shown = await swarm.cli('join-token', 'worker');
    expect(shown.out).toMatch(
      /To add a worker to this swarm, run the following command:\n\n {4}tsswarm join --token SWMTKN-1-\S+ 203\.0\.113\.1:2377\n/,
    );
    const before = (await swarm.cli('swarm', 'join-token', '-q', 'worker')).out;
    expect((await swarm.cli('join-token', '--rotate', 'worker')).out).toContain(
      'Successfully rotated worker join token.',
    );
    expect((await swarm.cli('join-token', '-q', 'worker')).out).not.toBe(before);
    expect((await swarm.cli('join-token', 'boss')).err).toContain('unknown role "boss"');
  });

  it('network rotate-keys - waits until the keys there were are gone', async () => {
    const keys = () => swarm.store.view().cluster().networkKeys.keys;
    await expect.poll(() => keys().length).toBe(1);
    const [first] = keys();
    expect(await swarm.cli('network', 'rotate-keys')).toEqual({
      code: 0,
      out: 'Rotated the keys of encrypted networks.\n',
      err: '',
    });
    expect(keys().map(({ time }) => time)).toEqual([(first?.time ?? 0) + 1]);
    expect((await swarm.cli('network', 'rotate-keys', '--detach')).out).toBe(
      'Keys of encrypted networks are being rotated.\n',
    );
  });

  it('update', async () => {
    expect(await swarm.cli('swarm', 'update', '--task-history-limit', '3')).toMatchObject({
      code: 0,
      out: 'Swarm updated.\n',
    });
    expect(swarm.store.view().cluster().spec.taskHistoryLimit).toBe(3);
    await swarm.cli('swarm', 'update', '--auto-rebalance');
    expect(swarm.store.view().cluster().spec.autoRebalance).toBe(true);
    expect((await swarm.cli('info')).out).toContain('Automatic Rebalance: true');
    await swarm.cli('swarm', 'update', '--auto-rebalance=false');
    expect(swarm.store.view().cluster().spec.autoRebalance).toBe(false);
    expect((await swarm.cli('swarm', 'update')).err).toContain('nothing to update');
  });

  it('manager commands on a worker fail as in Docker', async () => {
    swarm.demote();
    for (const argv of [
      ['service', 'ls'],
      ['node', 'ls'],
      ['service', 'create', '-d', 'web'],
      ['service', 'logs', 'web'],
    ]) {
      const { code, err } = await swarm.cli(...argv);
      expect(code).toBe(1);
      expect(err).toMatch(/^Error: This node is not a swarm manager\. /);
    }
  });
});

describe('this node', () => {
  it('info, version and doctor', async () => {
    expect((await swarm.cli('info')).out).toContain('Swarm:           active\n');
    expect((await swarm.cli('info', '-f', '{{.Swarm.LocalNodeState}}')).out).toBe('active\n');
    expect((await swarm.cli('version', '-f', '{{.Server.Version}}')).out).toBe('0.1.0\n');
    const doctor = await swarm.cli('doctor');
    expect(doctor).toMatchObject({ code: 0 });
    expect(doctor.out).toContain('ipvs:\n  do:    modprobe ip_vs\n');
  });

  it('image ls, import, pull and rm', async () => {
    expect((await swarm.cli('images', '--format', '{{.Repository}} {{.Tag}} {{.Size}}')).out).toBe('web latest 2MB\n');
    expect((await swarm.cli('images', '-q', '-f', 'dangling=true')).out).toBe('');
    expect((await swarm.cli('images', '-aq')).out.trim()).toMatch(/^[0-9a-f]{12}$/);
    expect(await swarm.cli('images', '-q', '-f', 'label=a')).toMatchObject({ code: 1, out: '' });
    const file = path.join(swarm.folder, 'image.tar');
    writeFileSync(file, Buffer.alloc(1_500_000, 7));
    expect((await swarm.cli('image', 'import', file, 'web')).out).toBe('web:latest\n');
    expect(swarm.imported.equals(readFileSync(file))).toBe(true);
    expect((await swarm.cli('image', 'import', '/no/such/file')).err).toContain('no such file: /no/such/file');
    expect((await swarm.cli('image', 'pull', 'web')).out).toBe('Pulling web:latest\nweb:latest\n');
    expect((await swarm.cli('image', 'rm', 'web')).out).toBe('Untagged: web\n');
  });

  it('images by the names that docker has at the top, and image inspect', async () => {
    expect((await swarm.cli('pull', '-q', 'web')).out).toBe('web:latest\n');
    expect((await swarm.cli('rmi', 'web')).out).toBe('Untagged: web\n');
    expect((await swarm.cli('image', 'inspect', '-f', '{{.RepoTags}}', 'web')).out).toBe('[web:latest]\n');
    expect(await swarm.cli('image', 'inspect', 'nope')).toMatchObject({
      code: 1,
      out: '[]\n',
      err: expect.stringContaining('No such image: nope'),
    });
  });
});

describe('command line', () => {
  it.each([
    [['nope'], 1, "unknown command 'nope'"],
    [['service', 'crate'], 1, '(Did you mean create?)'],
    [['service', 'create'], 1, "missing required argument 'image'"],
    [['service', 'ls', '--nope'], 125, "unknown option '--nope'"],
    [['service', 'create', '--detach=perhaps', 'web'], 125, 'must be true or false'],
    [['-H', 'tcp://1.2.3.4:5', 'service', 'ls'], 1, '"tcp://1.2.3.4:5" is not a daemon\'s address'],
    [
      ['-H', 'unix:///no/such/sock', 'service', 'ls'],
      1,
      'Cannot connect to the tsswarm daemon at unix:///no/such/sock',
    ],
    [['service', 'logs', '--tail'], 125, "option '-n, --tail <N>' argument missing"],
    [['node', 'update', 'a', 'b'], 1, "too many arguments for 'update'"],
    [['service', 'inspect', '--pretty', '--format', '{{.ID}}', 'web'], 1, '--format is incompatible with --pretty'],
    [['node', 'ls', '--format', '{{.Nope}}'], 1, 'there is no field "Nope"'],
    [['join', '--token', 'SWMTKN-1-x', '192.0.2.1'], 1, 'the join token is malformed'],
    [['join', '192.0.2.1'], 1, 'the join token is missing'],
  ])('%j exits with %i', async (argv, code, words) => {
    const result = await swarm.cli(...argv);
    expect(result).toMatchObject({ code, err: expect.stringContaining(words) });
  });

  it('boolean flags take values, the container’s own flags are left alone', async () => {
    await create('--detach=true', '--init=false', '--name', 'web', 'web', 'sh', '--detach=false', '-c', 'x');
    const format = '{{.Spec.TaskTemplate.ContainerSpec.Init}} {{.Spec.TaskTemplate.ContainerSpec.Args}}';
    expect((await swarm.cli('service', 'inspect', '-f', format, 'web')).out).toBe('false [sh --detach=false -c x]\n');
  });

  it('completes commands, flags, values and names', async () => {
    await create('--name', 'web', 'web');
    const complete = async (...words: string[]) => (await swarm.cli('__complete', '--', ...words)).out.split('\n');
    expect(await complete('serv')).toEqual([expect.stringMatching(/^service\t/), '']);
    expect(await complete('service', 'create', '--upd')).toContainEqual(expect.stringMatching(/^--update-delay\t/));
    expect(await complete('service', 'create', '--mode', 'g')).toEqual(['global', 'global-job', '']);
    expect(await complete('service', 'ps', '')).toEqual(['web', '']);
    expect(await complete('service', 'scale', 'w')).toEqual(['web', '']);
    await swarm.cli('service', 'scale', 'web=2');
    expect(await complete('service', 'exec', '')).toEqual(['web', 'web.1', 'web.2', '']);
    expect(await complete('service', 'exec', '--node', 'n')).toEqual(['node1', 'node2', '']);
    expect(await complete('task', 'inspect', 'web.')).toEqual(['web.1', 'web.2', '']);
    expect(await complete('node', 'inspect', 'n')).toEqual(['node1', 'node2', '']);
    expect(await complete('service', 'create', '--network', 'i')).toEqual(['ingress', '']);
    expect((await swarm.cli('completion', 'tcsh')).err).toContain('no completion for the shell "tcsh"');
  });
});
