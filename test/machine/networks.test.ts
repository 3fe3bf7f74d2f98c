import { expect, test } from 'vitest';
import { IMAGE, useMachine } from './machine.js';

const machine = useMachine();
const inspect = async (name: string) => {
  const [object] = JSON.parse(await machine.run('network', 'inspect', name)) as {
    Id: string;
    Scope: string;
    Driver: string;
    Internal: boolean;
    IPAM: { Config: { Subnet: string; Gateway: string }[] };
    Containers: Record<string, { Name: string; IPv4Address: string; MacAddress: string }>;
    Options: Record<string, string>;
  }[];
  if (!object) throw new Error(`${name} is not there`);
  return object;
};
const pings = async (from: string, to: string) =>
  (await machine.outcome('exec', from, 'ping', '-c', '1', '-W', '1', to)).code === 0;

test('network ls - what each machine has', async () => {
  const rows = (await machine.run('network', 'ls')).trimEnd().split('\n');
  expect(rows[0]).toBe('NETWORK ID     NAME      DRIVER    SCOPE');
  expect(rows.slice(1).map((row) => row.split(/ +/).slice(1).join(' '))).toEqual([
    'bridge bridge local',
    'host host local',
    'none null local',
  ]);
});

test('network create - a bridge, as the kernel shows it', async () => {
  const id = (await machine.run('network', 'create', '--subnet', '10.77.0.0/24', '--label', 'a=b', 'back')).trim();
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  expect(await inspect('back')).toMatchObject({
    Id: id,
    Scope: 'local',
    Driver: 'bridge',
    IPAM: { Config: [{ Subnet: '10.77.0.0/24', Gateway: '10.77.0.1' }] },
  });
  expect(await machine.run('network', 'ls', '-q', '--no-trunc', '--filter', 'label=a=b')).toBe(`${id}\n`);
  await machine.run('run', '-d', '--name', 'one', '--network', 'back', '--ip', '10.77.0.9', IMAGE, 'sleep', '1000');
  const shown = JSON.parse(await machine.inside('ip', '-j', 'addr', 'show', `br-${id.slice(0, 12)}`)) as {
    addr_info: { family: string; local: string; prefixlen: number }[];
  }[];
  expect(shown[0]?.addr_info.find(({ family }) => family === 'inet')).toMatchObject({
    local: '10.77.0.1',
    prefixlen: 24,
  });
  const { Containers } = await inspect('back');
  expect(Object.values(Containers)).toMatchObject([{ Name: 'one', IPv4Address: '10.77.0.9/24' }]);
  const busy = await machine.outcome('network', 'rm', 'back');
  expect(busy.code).toBe(1);
  expect(busy.stderr).toContain('one');
});

test('connect, disconnect - names and ways come and go with it', async () => {
  await machine.run('network', 'create', 'left');
  await machine.run('network', 'create', 'right');
  await machine.run('run', '-d', '--name', 'walter', '--network', 'left', IMAGE, 'sleep', '1000');
  await machine.run('run', '-d', '--name', 'rosa', '--network', 'right', IMAGE, 'sleep', '1000');
  expect(await pings('walter', 'rosa')).toBe(false);
  expect(await machine.run('network', 'connect', '--alias', 'rose', 'left', 'rosa')).toBe('');
  await expect.poll(() => pings('walter', 'rosa')).toBe(true);
  expect(await pings('walter', 'rose')).toBe(true);
  const networks = '{{range $name, $network := .NetworkSettings.Networks}}{{$name}} {{end}}';
  expect(await machine.run('inspect', '-f', networks, 'rosa')).toBe('left right \n');
  await machine.run('network', 'disconnect', 'left', 'rosa');
  await expect.poll(() => pings('walter', 'rosa')).toBe(false);
});

test('network - what cannot be is refused in words', async () => {
  const refusals: readonly (readonly [readonly string[], string])[] = [
    [['create', 'bridge'], 'bridge'],
    [['create', '-d', 'macvlan', 'x'], 'invalid argument "macvlan" for "--driver" flag: no such driver'],
    [['create', '-d', 'host', 'x'], 'only one instance of "host" network is allowed'],
    [['create', '--scope', 'swarm', 'x'], 'a network of driver bridge has scope local'],
    [['create', '-d', 'overlay', 'x'], 'This node is not a swarm manager'],
    [['rm', 'bridge'], 'bridge is a pre-defined network and cannot be removed'],
    [['rm', 'nowhere'], 'nowhere'],
    [['inspect', 'nowhere'], 'nowhere'],
    [['connect', 'nowhere', 'nobody'], 'nobody'],
    [['connect', '--ip', '1.2.3', 'bridge', 'nobody'], 'invalid argument "1.2.3" for "--ip" flag'],
  ];
  for (const [args, words] of refusals) {
    const { code, stderr } = await machine.outcome('network', ...args);
    expect(stderr, args.join(' ')).toMatch(/^Error: /);
    expect(stderr, args.join(' ')).toContain(words);
    expect(code, args.join(' ')).toBe(/^Error: invalid argument/.test(stderr) ? 125 : 1);
  }
});

test('network prune - removes what nothing uses', async () => {
  await machine.run('network', 'create', 'used');
  await machine.run('network', 'create', 'unused');
  await machine.run('run', '-d', '--network', 'used', IMAGE, 'sleep', '1000');
  expect(await machine.run('network', 'prune', '-f')).toBe('Deleted Networks:\nunused\n\n');
  expect(await machine.run('network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}}')).toBe('used\n');
});

test('container:NAME and host - share a network', async () => {
  await machine.run('run', '-d', '--name', 'first', IMAGE, 'sleep', '1000');
  const address = (await machine.inspect('first')).NetworkSettings.Networks.bridge?.IPAddress;
  expect(await machine.run('run', '--rm', '--network', 'container:first', IMAGE, 'ip', 'addr')).toContain(
    `${address}/16`,
  );
  expect(await machine.run('run', '--rm', '--network', 'host', IMAGE, 'ip', 'link')).toContain('under');
  expect(await machine.run('run', '--rm', '--network', 'none', IMAGE, 'ip', 'link')).not.toContain('eth0');
});
