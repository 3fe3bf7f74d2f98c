import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { alone, bridge, container, dual, endpoint, NODE, NODE6, OUTSIDE, OUTSIDE6, publish } from './plane-bridges.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { idOf } from './plane-swarm.js';

const front = bridge('front', 19, { interContainer: false, ...dual(19) });
const state = alone(
  [front],
  [container('f1', [endpoint(front, 2)], publish(8090)), container('f2', [endpoint(front, 3)])],
);
const machines = new Machines();
let driver: Driver;
const f1 = machines.sandbox('node', idOf('f1'));
const node = (...command: string[]) => machines.inside('node', ...command);
const inside = (...command: string[]) => machines.inside(f1, ...command);
interface Port {
  readonly ifname: string;
  readonly linkinfo: { readonly info_slave_data: { readonly isolated: boolean; readonly hairpin: boolean } };
}
const ports = () => machines.json<Port>('node', 'ip', '-d', 'link', 'show', 'master', front.name);
const aPort = () => ports()[0]?.ifname ?? '';

/** All that is ours as the standard tools show it, without numbers that the kernel gives as it likes. */
function snapshot(): unknown {
  const links = (where: string) =>
    machines
      .json<{
        ifname: string;
        mtu: number;
        operstate: string;
        master?: string;
        addr_info: { local: string; scope: string }[];
      }>(where, 'ip', 'address')
      .map(({ ifname, mtu, operstate, master, addr_info: list }) =>
        [
          ifname,
          mtu,
          operstate,
          master,
          ...list
            .filter(({ scope }) => scope === 'global')
            .map(({ local }) => local)
            .sort(),
        ].join(),
      )
      .sort();
  const settings = [
    ...['ipv4/ip_forward', 'ipv6/conf/all/forwarding'],
    ...['forwarding', 'route_localnet'].map((key) => `ipv4/conf/${front.name}/${key}`),
  ].map((key) => node('sysctl', '-n', `net/${key}`));
  const routes = (family: string) => inside('ip', family, 'route').split('\n').sort();
  return {
    links: [links('node'), links(f1)],
    ports: ports()
      .map(({ ifname, linkinfo }) => [ifname, linkinfo.info_slave_data.isolated, linkinfo.info_slave_data.hairpin])
      .sort(),
    rules: node('nft', '--stateless', 'list', 'ruleset').split('\n').sort(),
    routes: [routes('-4'), routes('-6')],
    settings,
  };
}

const bridgeNetfilter = (value: 0 | 1) => {
  for (const hook of ['iptables', 'ip6tables']) node('sysctl', '-qw', `net.bridge.bridge-nf-call-${hook}=${value}`);
};

beforeAll(async () => {
  machines.addHost('outside', `${OUTSIDE}/24`);
  machines.addHost('node', `${NODE}/24`);
  machines.addAddress6('outside', OUTSIDE6);
  machines.addAddress6('node', NODE6);
  bridgeNetfilter(0);
  driver = await machines.driver('node', { driftIntervalMs: 500 });
  expect((await driver.apply(state)).problems).toEqual([]);
  await driver.watch();
  await machines.serve(f1, 'f1');
}, 60_000);
afterAll(() => machines.close());

const answers = () =>
  machines.survey(
    'outside',
    [NODE, NODE6].flatMap((host) => [`tcp ${host} 8090`, `udp ${host} 8090`]),
  );
const reached = [`f1 ${OUTSIDE}`, `f1 ${OUTSIDE}`, `f1 ${OUTSIDE6}`, `f1 ${OUTSIDE6}`];

describe('drift of a local bridge - changed by hand, it comes back', () => {
  test.each<[string, () => void]>([
    ['the bridge', () => node('ip', 'link', 'del', front.name)],
    ['its address', () => node('ip', '-4', 'address', 'flush', 'dev', front.name)],
    ['its IPv6 address', () => node('ip', '-6', 'address', 'flush', 'dev', front.name, 'scope', 'global')],
    ['an address too many', () => node('ip', 'address', 'add', '172.19.9.9/16', 'dev', front.name)],
    ['the bridge set down', () => node('ip', 'link', 'set', front.name, 'down')],
    ['its MTU', () => node('ip', 'link', 'set', front.name, 'mtu', '1300')],
    ['a port', () => node('ip', 'link', 'del', aPort())],
    ['a port off the bridge', () => node('ip', 'link', 'set', aPort(), 'nomaster')],
    ['a port’s isolation', () => node('bridge', 'link', 'set', 'dev', aPort(), 'isolated', 'off')],
    ['a port’s hairpin mode', () => node('bridge', 'link', 'set', 'dev', aPort(), 'hairpin', 'on')],
    ['an interface', () => inside('ip', 'link', 'del', 'eth0')],
    ['an interface’s addresses', () => inside('ip', 'address', 'flush', 'dev', 'eth0', 'scope', 'global')],
    ['the default route', () => inside('ip', 'route', 'del', 'default')],
    ['the IPv6 default route', () => inside('ip', '-6', 'route', 'del', 'default')],
    ['the table ip', () => node('nft', 'delete', 'table', 'ip', 'tsswarm')],
    ['the table ip6', () => node('nft', 'delete', 'table', 'ip6', 'tsswarm')],
    ['the isolation', () => node('nft', 'flush', 'chain', 'ip6', 'tsswarm', 'isolation')],
    ['a published port', () => node('nft', 'delete', 'element', 'ip6', 'tsswarm', 'host_ports', '{ tcp . 8090 }')],
    ['a rule too many', () => node('nft', 'insert', 'rule', 'ip', 'tsswarm', 'isolation', 'drop')],
    ['forwarding', () => node('sysctl', '-qw', 'net.ipv4.ip_forward=0')],
    ['IPv6 forwarding', () => node('sysctl', '-qw', 'net.ipv6.conf.all.forwarding=0')],
    ['its forwarding alone', () => node('sysctl', '-qw', `net/ipv4/conf/${front.name}/forwarding=0`)],
    ['route_localnet', () => node('sysctl', '-qw', `net/ipv4/conf/${front.name}/route_localnet=0`)],
  ])('%s', async (_, damage) => {
    const before = snapshot();
    damage();
    await eventually(() => {
      expect(snapshot()).toEqual(before);
      return true;
    });
    // A link that was down has to find out first that nobody else has its link-local address (RFC 4862, 5.4).
    await eventually(() => {
      expect(answers()).toEqual(reached);
      return true;
    });
  });
});

test('drift - bridge netfilter that is switched on or off changes how ports are isolated', async () => {
  const settings = () => [
    ...new Set(ports().map(({ linkinfo: { info_slave_data: p } }) => `${p.isolated} ${p.hairpin}`)),
  ];
  expect(settings()).toEqual(['true false']);
  bridgeNetfilter(1);
  await eventually(() => settings().join() === 'false true');
  expect(node('nft', 'list', 'tables')).toContain('table bridge tsswarm');
  expect(answers()).toEqual(reached);
  bridgeNetfilter(0);
  await eventually(() => settings().join() === 'true false');
  expect(node('nft', 'list', 'tables')).not.toContain('table bridge tsswarm');
});

test('restart - killed and started again, the plane finds all right and connections go on', async () => {
  const { lines, child } = machines.hold('outside', NODE, 8090);
  await eventually(() => lines.length > 2);
  const before = snapshot();
  await driver.kill();
  driver = await machines.driver('node');
  expect(await driver.apply(state)).toMatchObject({ operations: 0, problems: [] });
  expect(snapshot()).toEqual(before);
  const count = lines.length;
  await eventually(() => lines.length > count + 3);
  expect(lines.filter((line) => line.startsWith('ended'))).toEqual([]);
  child.kill();
});

test('destroy - nothing is left', async () => {
  await driver.destroy();
  expect(machines.json<{ ifname: string }>('node', 'ip', 'link').map(({ ifname }) => ifname)).toEqual(['lo', 'eth0']);
  expect(node('nft', 'list', 'tables')).toBe('');
});
