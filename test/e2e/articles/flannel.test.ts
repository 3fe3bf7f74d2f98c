/** A subnet for each machine out of one network, and routes between them, as flannel makes them. */
import { beforeAll, expect, test } from 'vitest';
import { execute, spawnAt, tasksOf, tsswarm } from '../../../demo/cli.js';
import { parseAnswer } from '../../../demo/image.js';
import { addressOf, IMAGE, onNode, useLab } from '../lab.js';
import {
  importBusybox,
  inNamespace,
  inspect,
  link,
  links,
  netnsOf,
  network,
  networkRows,
  on,
  portsOf,
  shell,
  succeeds,
  until,
  v4,
} from './walk.js';

useLab(3);
beforeAll(importBusybox);

const machine = (node: number): string => netnsOf(node);

interface Lease {
  readonly Subnet: string;
  readonly Gateway: string;
  readonly Node: string;
  readonly PublicIP: string;
  readonly BackendType: string;
  readonly VtepMAC?: string;
  readonly Endpoints: number;
}

const leases = async (name: string): Promise<readonly Lease[]> => {
  const [found] = JSON.parse(await on(1, 'network', 'inspect', '--verbose', name)) as { Leases?: readonly Lease[] }[];
  return found?.Leases ?? [];
};
async function leaseOf(node: number, name = 'flannel'): Promise<Lease> {
  const lease = (await leases(name)).find(({ PublicIP }) => PublicIP === addressOf(node));
  if (!lease) throw new Error(`node${node} has no lease in ${name}`);
  return lease;
}
const baseOf = ({ Subnet }: Lease): string => Subnet.replace(/\/\d+$/, '');
const device = async (name = 'flannel'): Promise<string> =>
  `routed.${(await network(1, name)).Options['com.docker.network.driver.overlay.vxlanid_list']}`;
const bridge = async (name = 'flannel'): Promise<string> => `br-${(await network(1, name)).Id.slice(0, 12)}`;
const addressIn = async (node: number, container: string, name = 'flannel') =>
  (await inspect(node, container)).NetworkSettings.Networks[name]?.IPAddress ?? '';

interface Route {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev: string;
  readonly flags: readonly string[];
  readonly protocol: string;
}
const routes = async (node: number): Promise<readonly Route[]> =>
  JSON.parse(await shell(node, 'ip', '-j', '-N', 'route')) as readonly Route[];
/** Those of our making. */
const ours = async (node: number) => (await routes(node)).filter(({ protocol }) => protocol === '115');
const ping = (node: number, container: string, to: string) =>
  on(node, 'exec', container, 'ping', '-c', '1', '-W', '2', to);

test('the network - is configured once, and known by its driver on all machines', async () => {
  await tsswarm('network', 'create', '-d', 'routed', '--attachable', '--subnet', '10.1.0.0/16', 'flannel');
  const found = await network(1, 'flannel');
  expect(found).toMatchObject({ Driver: 'routed', Scope: 'swarm' });
  expect(found.IPAM.Config).toMatchObject([{ Subnet: '10.1.0.0/16' }]);
  expect((await networkRows(1)).find((row) => row[1] === 'flannel')?.slice(2)).toEqual(['routed', 'swarm']);
  expect(await leases('flannel')).toEqual([]);
});

test('what cannot be - is refused with what would be right', async () => {
  const create = async (...args: readonly string[]) =>
    (await onNode(1, 'network', 'create', '-d', 'routed', ...args, 'other')).stderr;
  expect(await create()).toContain('needs one subnet');
  expect(await create('--subnet', '10.2.0.0/16', '-o', 'backend=udp')).toContain('backend "udp" is not supported');
  expect(await create('--subnet', '10.2.0.0/16', '-o', 'subnet-length=12')).toContain('from 17 to 29');
  expect(await create('--subnet', '10.1.4.0/22')).toContain('overlaps 10.1.0.0/16 of network "flannel"');
  const asked = await onNode(1, 'run', '--rm', '--net', 'flannel', '--ip', '10.1.9.9', 'busybox', 'true');
  expect(asked.stderr).toContain('cannot be asked for in routed network flannel');
});

test('a machine with a container - has a subnet of its own, the others know which', async () => {
  for (const node of [1, 2]) await on(node, 'run', '-itd', '--name', `test0${node}`, '--net', 'flannel', 'busybox');
  const [first, second] = await leases('flannel');
  expect(first).toEqual({
    Subnet: '10.1.1.0/24',
    Gateway: '10.1.1.1',
    Node: 'node1',
    PublicIP: addressOf(1),
    BackendType: 'vxlan',
    VtepMAC: '02:42:0a:01:01:00',
    Endpoints: 1,
  });
  expect(second).toMatchObject({ Subnet: '10.1.2.0/24', PublicIP: addressOf(2) });
});

test('ifconfig flannel.1 - the lowest address of the subnet as a /32, and 50 bytes less than the machine’s', async () => {
  const name = await device();
  for (const node of [1, 2]) {
    const lease = await leaseOf(node);
    const vtep = await link(machine(node), name);
    expect(v4(vtep)).toEqual([`${baseOf(lease)}/32`]);
    expect(vtep).toMatchObject({ mtu: 1450, address: lease.VtepMAC });
    expect(vtep.linkinfo?.info_data).not.toHaveProperty('proxy');
    expect(vtep.linkinfo).toMatchObject({
      info_kind: 'vxlan',
      info_data: { id: Number(name.split('.')[1]), port: 4789, local: addressOf(node), learning: false },
    });
  }
});

test('ifconfig docker0, and in the container - a bridge with the first address, and eth0 from the subnet', async () => {
  for (const node of [1, 2]) {
    const lease = await leaseOf(node);
    expect(v4(await link(machine(node), await bridge()))).toEqual([`${lease.Gateway}/24`]);
    expect(await portsOf(machine(node), await bridge())).toHaveLength(1);
    const { SandboxKey, Networks } = (await inspect(node, `test0${node}`)).NetworkSettings;
    const eth0 = await link(SandboxKey, 'eth0');
    expect(v4(eth0)).toEqual([`${baseOf(lease).replace(/0$/, '2')}/24`]);
    expect(eth0.mtu).toBe(1450);
    expect(Networks.flannel?.Gateway).toBe(lease.Gateway);
    expect((await links(SandboxKey)).map(({ ifname }) => ifname)).toEqual(['lo', 'eth0']);
    expect(await on(node, 'exec', `test0${node}`, 'ip', 'route')).toMatch(
      new RegExp(`^default via ${lease.Gateway} dev eth0`),
    );
  }
});

test('ip route, ip neigh, bridge fdb - one entry each for the other machine', async () => {
  const name = await device();
  const far = await leaseOf(2);
  expect(await ours(1)).toMatchObject([
    { dst: far.Subnet, gateway: baseOf(far), dev: name, flags: expect.arrayContaining(['onlink']) },
  ]);
  expect(JSON.parse(await shell(1, 'ip', '-j', 'neigh', 'show', 'dev', name, 'nud', 'permanent'))).toMatchObject([
    { dst: baseOf(far), lladdr: far.VtepMAC, state: ['PERMANENT'] },
  ]);
  expect(JSON.parse(await shell(1, 'bridge', '-j', 'fdb', 'show', 'dev', name))).toMatchObject([
    { mac: far.VtepMAC, dst: addressOf(2), state: 'permanent' },
  ]);
});

test('ping - from container to container with ttl=62, by address and by name, from machines too', async () => {
  const there = await addressIn(2, 'test02');
  expect(await ping(1, 'test01', there)).toMatch(/seq=0 ttl=62/);
  expect(await ping(2, 'test02', 'test01')).toMatch(/ttl=62/);
  // Unlike an overlay's, a routed network's containers are reached from the machines.
  await shell(2, 'ping', '-c', '1', '-W', '2', there);
  await shell(1, 'ping', '-c', '1', '-W', '2', there);
});

test('network trace - follows it over the device, to the other machine and back', async () => {
  const there = await addressIn(2, 'test02');
  const text = await on(1, 'network', 'trace', 'test01', there, '--format', 'json');
  const { Complete, Hops } = JSON.parse(text) as {
    Complete: boolean;
    Hops: { Node: string; Kind: string; Title: string }[];
  };
  expect(Complete).toBe(true);
  const [lease, name] = [await leaseOf(2), await device()];
  const hops = Hops.map(({ Node, Kind, Title }) => `${Node} ${Kind} ${Title}`);
  expect(hops).toContainEqual(expect.stringContaining(`node1 route ${there} via ${baseOf(lease)} by ${name}`));
  expect(hops).toContainEqual(expect.stringMatching(`^node1 fdb ${name}.*${lease.VtepMAC} → ${addressOf(2)}`));
  expect(hops).toContainEqual(expect.stringMatching(`^node2 vxlan ${name}`));
});

test('tcpdump - the packet in a packet between the machines, and the containers’ own addresses in it', async () => {
  const [from, to] = [await addressIn(1, 'test01'), await addressIn(2, 'test02')];
  await on(2, 'exec', '-d', 'test02', 'httpd', '-f', '-p', '7000');
  const capture = spawnAt('node1', ['tcpdump', '-lnni', 'eth0', 'udp', 'port', '4789']);
  let seen = '';
  capture.stdout?.on('data', (data: Buffer) => {
    seen += data.toString();
  });
  try {
    await until('TCP in VXLAN', 10, async () => {
      await succeeds(on(1, 'exec', 'test01', 'nc', '-w', '1', to, '7000'));
      return /Flags \[S\.\]/.test(seen) ? true : undefined;
    });
  } finally {
    capture.kill();
  }
  expect(seen).toContain(`> ${addressOf(2)}.4789: VXLAN, flags [I] (0x08), vni ${(await device()).split('.')[1]}`);
  expect(seen).toMatch(new RegExp(`IP ${from.replaceAll('.', '\\.')}\\.\\d+ > ${to.replaceAll('.', '\\.')}\\.7000: `));
});

test('isolation - from elsewhere nobody comes in, and to elsewhere goes the machine’s address', async () => {
  await on(1, 'run', '-d', '--name', 'stranger', 'busybox', 'sleep', '1000');
  expect(await succeeds(ping(1, 'stranger', await addressIn(1, 'test01')))).toBe(false);
  expect(await succeeds(ping(1, 'stranger', await addressIn(2, 'test02')))).toBe(false);
  const capture = spawnAt('node3', ['tcpdump', '-lnni', 'eth0', '-c', '1', 'icmp[icmptype]', '==', '8']);
  let seen = '';
  capture.stdout?.on('data', (data: Buffer) => {
    seen += data.toString();
  });
  try {
    await until('an echo request', 10, async () => {
      await ping(1, 'test01', addressOf(3));
      return seen.includes('echo request') ? true : undefined;
    });
  } finally {
    capture.kill();
  }
  expect(seen).toContain(`${addressOf(1)} > ${addressOf(3)}: ICMP echo request`);
  await on(1, 'rm', '-f', 'stranger');
});

test('a service - its tasks are of their machines’ subnets, and answer under one name and address', async () => {
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--replicas', '3', '--network', 'flannel', IMAGE);
  expect((await leases('flannel')).map(({ Subnet, Endpoints }) => [Subnet, Endpoints])).toEqual([
    ['10.1.1.0/24', 2],
    ['10.1.2.0/24', 2],
    ['10.1.3.0/24', 1],
  ]);
  const vip = /10\.1\.0\.\d+/.exec(await on(1, 'exec', 'test01', 'nslookup', 'web'))?.[0];
  const { SandboxKey } = (await inspect(1, 'test01')).NetworkSettings;
  const answers = new Set<string>();
  for (let i = 0; i < 6; i++) {
    const answer = await inNamespace(SandboxKey, 'curl', '--silent', '--max-time', '2', `http://${vip}/`);
    const { hostname, client } = parseAnswer(answer);
    answers.add(hostname);
    expect(client).toBe(await addressIn(1, 'test01'));
  }
  expect(answers.size).toBe(3);
  expect((await ours(3)).map(({ dst }) => dst).sort()).toEqual(['10.1.1.0/24', '10.1.2.0/24']);
});

test('what somebody takes away - comes back', async () => {
  await shell(1, 'ip', 'route', 'del', '10.1.3.0/24');
  await shell(1, 'ip', 'route', 'add', '10.77.0.0/16', 'via', addressOf(2), 'proto', 'static');
  await shell(1, 'ip', 'link', 'set', await device(), 'down');
  await until('the route is there again', 20, async () =>
    (await ours(1)).some(({ dst }) => dst === '10.1.3.0/24') ? true : undefined,
  );
  await ping(1, 'test01', await addressIn(2, 'test02'));
  expect((await routes(1)).map(({ dst }) => dst)).toContain('10.77.0.0/16');
});

test('a machine that is down keeps its subnet, and has it when it is back', async () => {
  const before = await leaseOf(3);
  await tsswarm('lab', 'kill', 'node3');
  await until('node3 is down', 30, async () =>
    (await tsswarm('node', 'ls')).split('\n').some((row) => row.includes('node3') && row.includes('Down'))
      ? true
      : undefined,
  );
  expect((await ours(1)).map(({ dst }) => dst)).toContain(before.Subnet);
  await tsswarm('lab', 'start', 'node3');
  await until('three tasks run', 30, async () =>
    (await tasksOf('web')).filter(({ CurrentState }) => CurrentState.startsWith('Running')).length === 3
      ? true
      : undefined,
  );
  expect((await leaseOf(3)).Subnet).toBe(before.Subnet);
});

test('a machine that leaves - takes its subnet and the routes to it along, and its links', async () => {
  await on(3, 'leave');
  await until('nobody has a route to it', 20, async () =>
    (await Promise.all([1, 2].map(ours))).flat().some(({ dst }) => dst === '10.1.3.0/24') ? undefined : true,
  );
  expect((await leases('flannel')).map(({ Node }) => Node)).toEqual(['node1', 'node2']);
  await until('nothing is left on it', 20, async () =>
    (await links(machine(3))).some(({ ifname }) => /^(?:br-|routed\.)/.test(ifname)) ? undefined : true,
  );
  expect(await ours(3)).toEqual([]);
});

test('host-gw - no packet in a packet: a route to the machine itself', async () => {
  await tsswarm('service', 'rm', 'web');
  await tsswarm(
    ...['network', 'create', '-d', 'routed', '--attachable', '--subnet', '10.2.0.0/16'],
    ...['-o', 'backend=host-gw', '-o', 'subnet-length=26', 'direct'],
  );
  for (const node of [1, 2]) await on(node, 'run', '-itd', '--name', `gw${node}`, '--net', 'direct', 'busybox');
  const far = await leaseOf(2, 'direct');
  expect(far).toMatchObject({ Subnet: '10.2.0.128/26', BackendType: 'host-gw' });
  await until('the route is there', 10, async () =>
    (await ours(1)).some(({ dst, gateway, dev }) => dst === far.Subnet && gateway === addressOf(2) && dev === 'eth0')
      ? true
      : undefined,
  );
  expect(await ping(1, 'gw1', await addressIn(2, 'gw2', 'direct'))).toMatch(/ttl=62/);
  expect((await link((await inspect(1, 'gw1')).NetworkSettings.SandboxKey, 'eth0')).mtu).toBe(1500);
  await shell(1, 'ping', '-c', '1', '-W', '2', await addressIn(2, 'gw2', 'direct'));
});

test('when the containers and networks are gone - so is all that they had', async () => {
  for (const node of [1, 2]) await on(node, 'rm', '-f', `test0${node}`, `gw${node}`);
  await tsswarm('network', 'rm', 'flannel', 'direct');
  await until('links and routes are gone', 20, async () => {
    const left = await Promise.all([1, 2].map((node) => links(machine(node))));
    const names = left.flat().map(({ ifname }) => ifname);
    const routes = (await Promise.all([1, 2].map(ours))).flat();
    return routes.length > 0 || names.some((name) => /^(?:br-|routed\.)/.test(name)) ? undefined : true;
  });
  const { stdout } = await execute('nsenter', [`--net=${machine(1)}`, '--', 'nft', 'list', 'ruleset']);
  expect(stdout).not.toContain('10.1.0.0/16');
});
