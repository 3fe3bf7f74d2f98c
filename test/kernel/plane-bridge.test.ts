import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { alone, bridge, container, dual, endpoint, NODE, NODE6, OUTSIDE, OUTSIDE6, publish } from './plane-bridges.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { idOf } from './plane-swarm.js';

const tsswarm0 = bridge('bridge', 17);
const front = bridge('front', 19, dual(19));
const back = bridge('back', 20, { mtu: 1400 });
const quiet = bridge('quiet', 21, { interContainer: false, ...dual(21) });
const inner = bridge('inner', 22, { internal: true });
const plain = bridge('plain', 23, { masquerade: false });
const bridges = [tsswarm0, front, back, quiet, inner, plain];
const containers = [
  container('a1', [endpoint(tsswarm0, 2)], publish(8080)),
  container('a2', [endpoint(tsswarm0, 3)], publish(8081, NODE)),
  container('f1', [endpoint(front, 2)], publish(8090)),
  container('f2', [endpoint(front, 3)]),
  container('b1', [endpoint(back, 2)]),
  container('q1', [endpoint(quiet, 2)], publish(8100)),
  container('q2', [endpoint(quiet, 3)], publish(8101)),
  container('l1', [endpoint(tsswarm0, 4)], publish(8120, '127.0.0.5')),
  container('i1', [endpoint(inner, 2)], publish(8110)),
  container('i2', [endpoint(inner, 3)]),
  container('p1', [endpoint(plain, 2)]),
];
const state = alone(bridges, containers);
const UNREACHED = /no answer|EHOSTUNREACH|ENETUNREACH/;

let machines: Machines;
let driver: Driver;
const inside = (name: string) => machines.sandbox('node', idOf(name));
const placeOf = (name: string) => (['node', 'outside'].includes(name) ? name : inside(name));
/** Asks all targets (`host port`) over TCP and UDP at once: both are answered the same. */
function reach(from: string, targets: Readonly<Record<string, string | RegExp>>): void {
  const asked = Object.keys(targets).flatMap((target) => [`tcp ${target}`, `udp ${target}`]);
  const answers = machines.survey(placeOf(from), asked);
  const seen = Object.fromEntries(asked.map((target, i) => [target, answers[i]]));
  const wanted = Object.entries(targets).flatMap(([target, answer]) => {
    const matcher: unknown = typeof answer === 'string' ? answer : expect.stringMatching(answer);
    return [
      [`tcp ${target}`, matcher],
      [`udp ${target}`, matcher],
    ] as const;
  });
  expect(seen).toEqual(Object.fromEntries(wanted));
}

interface Port {
  readonly ifname: string;
  readonly link_index: number;
  readonly linkinfo: { readonly info_slave_data: { readonly isolated: boolean } };
}

const addressesOf = (where: string, link: string, family: '-4' | '-6') =>
  machines
    .json<{ addr_info: { local: string; prefixlen: number; scope: string }[] }>(
      where,
      'ip',
      family,
      'address',
      'show',
      'dev',
      link,
    )
    .flatMap(({ addr_info: list }) => list ?? [])
    .filter(({ scope }) => scope === 'global')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);

/** Docker's picture of a machine: bridges and containers, a client and somebody outside. */
async function up(bridgeNetfilter: 0 | 1): Promise<void> {
  machines = new Machines();
  machines.addHost('outside', `${OUTSIDE}/24`);
  machines.addHost('node', `${NODE}/24`);
  machines.addAddress6('outside', OUTSIDE6);
  machines.addAddress6('node', NODE6);
  // So that only rules keep it out.
  for (const { gateways } of bridges)
    for (const gateway of gateways)
      machines.inside(
        'outside',
        'ip',
        'route',
        'add',
        gateway.replace(/1\//, '0/'),
        'via',
        gateway.includes(':') ? NODE6 : NODE,
      );
  for (const hook of ['iptables', 'ip6tables'])
    machines.inside('node', 'sysctl', '-qw', `net.bridge.bridge-nf-call-${hook}=${bridgeNetfilter}`);
  driver = await machines.driver('node', { driftIntervalMs: 500 });
  expect((await driver.apply(state)).problems).toEqual([]);
  for (const { id } of containers) await machines.serve(machines.sandbox('node', id), id.replace(/0+$/, ''));
  for (const name of ['node', 'outside']) await machines.serve(name, name);
}

describe.each([0, 1] as const)('local bridges - bridge netfilter %s', (bridgeNetfilter) => {
  beforeAll(() => up(bridgeNetfilter), 60_000);
  afterAll(() => machines.close());

  test('a second pass has nothing to do', async () => {
    expect(await driver.apply(state)).toMatchObject({ operations: 0, problems: [] });
  });

  test('links - as Docker’s: bridge with the gateway’s address, veth ports, eth0 with a default route', () => {
    expect(addressesOf('node', 'tsswarm0', '-4')).toEqual(['172.17.0.1/16']);
    expect(addressesOf('node', front.name, '-6')).toEqual(['fd00:19::1/64']);
    const ports = machines.json<Port>('node', 'ip', '-d', 'link', 'show', 'master', 'tsswarm0');
    expect(ports.map(({ ifname }) => ifname)).toEqual([
      expect.stringMatching(/^veth\w+$/),
      expect.stringMatching(/^veth\w+$/),
      expect.stringMatching(/^veth\w+$/),
    ]);
    const [eth0] = machines.json<{ ifindex: number; address: string; mtu: number }>(
      inside('a1'),
      'ip',
      'link',
      'show',
      'eth0',
    );
    expect(eth0).toMatchObject({ address: '02:42:ac:11:00:02', mtu: 1500 });
    expect(ports.map(({ link_index: index }) => index)).toContain(eth0?.ifindex);
    expect(addressesOf(inside('a1'), 'eth0', '-4')).toEqual(['172.17.0.2/16']);
    expect(machines.json(inside('a1'), 'ip', 'route', 'show', 'default')).toMatchObject([
      { gateway: '172.17.0.1', dev: 'eth0' },
    ]);
    expect(machines.json(inside('f1'), 'ip', '-6', 'route', 'show', 'default')).toMatchObject([
      { gateway: 'fd00:19::1', dev: 'eth0' },
    ]);
    expect(machines.json(inside('b1'), 'ip', 'link', 'show', 'eth0')).toMatchObject([{ mtu: 1400 }]);
    expect(machines.json(inside('i1'), 'ip', 'route', 'show', 'default')).toEqual([]);
    const names = machines.json<{ ifname: string }>('node', 'ip', 'link').map(({ ifname }) => ifname);
    expect(names).not.toContain('swarm_gwbridge');
  });

  test('among themselves - endpoints of a bridge see each other’s addresses, over both families', () => {
    reach('a1', { '172.17.0.3 80': 'a2 172.17.0.2' });
    reach('f1', { '172.19.0.3 80': 'f2 172.19.0.2', 'fd00:19::3 80': 'f2 fd00:19::2' });
    reach('i1', { '172.22.0.3 80': 'i2 172.22.0.2' });
  });

  test('the way out - under the node’s address, or their own where masquerade is off', () => {
    reach('a1', { [`${OUTSIDE} 80`]: `outside ${NODE}` });
    reach('f1', { [`${OUTSIDE} 80`]: `outside ${NODE}`, [`${OUTSIDE6} 80`]: `outside ${NODE6}` });
    reach('q1', { [`${OUTSIDE} 80`]: `outside ${NODE}`, [`${OUTSIDE6} 80`]: `outside ${NODE6}` });
    reach('p1', { [`${OUTSIDE} 80`]: 'outside 172.23.0.2' });
    machines.inside(inside('a1'), 'busybox', 'ping', '-c1', '-W2', OUTSIDE);
  });

  test('the node itself - is reached, and reaches its containers', () => {
    reach('a1', { '172.17.0.1 80': 'node 172.17.0.2' });
    reach('node', { '172.17.0.2 80': 'a1 172.17.0.1', 'fd00:19::2 80': 'f1 fd00:19::1' });
  });

  test.each(['a1', 'f1', 'q1', 'p1', 'i1', 'outside'])('isolation - %s reaches no address elsewhere', (from) => {
    const own = containers.find(({ id }) => id === idOf(from))?.endpoints[0]?.networkId;
    const others = containers.flatMap(({ endpoints }) => endpoints).filter(({ networkId }) => networkId !== own);
    reach(from, Object.fromEntries(others.flatMap(({ addresses }) => addresses).map((a) => [`${a} 80`, UNREACHED])));
  });

  test('internal - no way out, and none in by a published port', () => {
    const elsewhere = { [`${OUTSIDE} 80`]: UNREACHED, [`${NODE} 8080`]: UNREACHED, '172.22.0.1 8080': UNREACHED };
    reach('i1', elsewhere);
    machines.inside(inside('i1'), 'ip', 'route', 'add', 'default', 'via', '172.22.0.1');
    reach('i1', elsewhere);
    machines.inside(inside('i1'), 'ip', 'route', 'del', 'default');
    reach('outside', { [`${NODE} 8110`]: 'ECONNREFUSED' });
    reach('i1', { '172.22.0.1 80': 'node 172.22.0.2' });
  });

  test('icc off - they reach each other through published ports alone', () => {
    reach('q1', {
      '172.21.0.3 80': UNREACHED,
      'fd00:21::3 80': UNREACHED,
      [`${NODE} 8101`]: 'q2 172.21.0.1',
      [`${NODE6} 8101`]: 'q2 fd00:21::1',
      [`${NODE} 8100`]: 'q1 172.21.0.1',
    });
    expect(() => machines.inside(inside('q1'), 'busybox', 'ping', '-c1', '-W1', '172.21.0.3')).toThrow();
    const isolated = machines
      .json<Port>('node', 'ip', '-d', 'link', 'show', 'master', quiet.name)
      .map(({ linkinfo }) => linkinfo.info_slave_data.isolated);
    expect(isolated).toEqual([bridgeNetfilter === 0, bridgeNetfilter === 0]);
  });

  test('published - outside clients keep their address', () => {
    reach('outside', {
      [`${NODE} 8080`]: `a1 ${OUTSIDE}`,
      [`${NODE} 8081`]: `a2 ${OUTSIDE}`,
      [`${NODE} 8090`]: `f1 ${OUTSIDE}`,
      [`${NODE6} 8090`]: `f1 ${OUTSIDE6}`,
      [`${NODE6} 8080`]: 'ECONNREFUSED',
    });
  });

  test('published - clients on the node, on each of its addresses', () => {
    reach('node', {
      '127.0.0.1 8080': 'a1 172.17.0.1',
      [`${NODE} 8080`]: `a1 ${NODE}`,
      '172.17.0.1 8080': 'a1 172.17.0.1',
      [`${NODE} 8081`]: `a2 ${NODE}`,
      '127.0.0.1 8081': 'ECONNREFUSED',
      [`${NODE6} 8090`]: `f1 ${NODE6}`,
      'fd00:19::1 8090': 'f1 fd00:19::1',
      // It cannot leave the machine, so it is not led anywhere.
      '::1 8090': 'ECONNREFUSED',
    });
  });

  test('published - containers call their own ports, their neighbours’, and those of other bridges', () => {
    reach('a1', { [`${NODE} 8080`]: 'a1 172.17.0.1', '172.17.0.1 8080': 'a1 172.17.0.1' });
    reach('a2', { [`${NODE} 8080`]: 'a1 172.17.0.1', '172.19.0.1 8080': 'a1 172.17.0.1' });
    reach('f1', { [`${NODE6} 8090`]: 'f1 fd00:19::1', [`${NODE} 8080`]: 'a1 172.17.0.1' });
    reach('f2', { [`${NODE6} 8090`]: 'f1 fd00:19::1', [`${NODE6} 8101`]: 'q2 fd00:21::1' });
    reach('p1', { [`${NODE} 8080`]: 'a1 172.23.0.2' });
  });

  /** Lets it send to the node what is for the node's loopback interface alone. */
  function intrude(where: string, gateway: string): void {
    machines.inside(where, 'ip', 'route', 'add', '127.0.0.5/32', 'via', gateway);
    machines.inside(where, 'ip', 'route', 'del', 'local', '127.0.0.0/8', 'dev', 'lo', 'table', 'local');
    for (const key of ['all', 'eth0']) machines.inside(where, 'sysctl', '-qw', `net.ipv4.conf.${key}.route_localnet=1`);
  }

  test('loopback - a port published on it is the node’s alone, whatever neighbours send', () => {
    intrude('outside', NODE);
    reach('outside', { '127.0.0.5 8120': UNREACHED, [`${NODE} 8120`]: 'ECONNREFUSED' });
    reach('node', { '127.0.0.5 8120': 'l1 172.17.0.1', '127.0.0.1 8120': 'ECONNREFUSED' });
  });

  test('loopback - what route_localnet would open is shut', async () => {
    const a1 = inside('a1');
    intrude(a1, '172.17.0.1');
    reach('a1', { '127.0.0.5 80': UNREACHED });
    machines.inside('node', 'nft', 'flush', 'chain', 'ip', 'tsswarm', 'loopback_guard');
    expect(machines.ask(a1, 'tcp', '127.0.0.5', 80, 1)).toEqual(['node 172.17.0.2']);
    await driver.watch();
    await eventually(() =>
      machines.inside('node', 'nft', 'list', 'chain', 'ip', 'tsswarm', 'loopback_guard').includes('drop'),
    );
  });
});
