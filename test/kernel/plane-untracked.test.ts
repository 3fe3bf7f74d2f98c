import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, nodeAddress, type Swarm } from './plane-swarm.js';

const swarm: Swarm = {
  nodes: [1, 2],
  tasks: [{ name: 't2', node: 2, host: 12 }],
  services: (['tcp', 'udp'] as const).map((protocol) => ({ protocol, published: 8080, backends: ['t2'] })),
};
const machines = new Machines();
const drivers: Driver[] = [];

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of swarm.nodes) machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
  for (const n of swarm.nodes) drivers.push(await machines.driver(`node${n}`, { driftIntervalMs: 200 }));
  for (const [i, driver] of drivers.entries())
    expect((await driver.apply(desiredState(swarm, i + 1))).problems).toEqual([]);
  for (const driver of drivers) await driver.watch();
  await machines.serve(machines.sandbox('node2', 't2'.padEnd(25, '0')), 't2');
});
afterAll(() => machines.close());

const nft = (text: string) => machines.inside('node1', 'nft', text);
const rules = () => machines.inside('node1', 'nft', 'list', 'table', 'ip', 'tsswarm').match(/notrack/g)?.length ?? 0;
const tracked = (node: string) =>
  machines.inside(node, 'conntrack', '-L', '-p', 'udp', '--orig-port-dst', '4789').trim();

test.each(['tcp', 'udp'] as const)('VXLAN between nodes leaves nothing in their tables: %s', (protocol) => {
  expect(machines.ask('client', protocol, nodeAddress(1), 8080, 2)).toEqual([`t2 ${CLIENT}`, `t2 ${CLIENT}`]);
  expect(['node1', 'node2'].map(tracked)).toEqual(['', '']);
});

const ASKS = 'add rule inet strict in ct state new udp dport 4789 accept';
test.each<[string, readonly string[]]>([
  ['at the hook', [ASKS]],
  [
    'behind a jump',
    [ASKS.replace(' in ', ' far '), 'add rule inet strict near jump far', 'add rule inet strict in goto near'],
  ],
  [
    'behind a map',
    [ASKS.replace(' in ', ' far '), 'add rule inet strict in meta l4proto vmap { udp : jump far, icmp : accept }'],
  ],
])('it is tracked for a firewall that asks for new connections: %s', async (_, commands) => {
  await eventually(() => rules() === 2);
  onTestFinished(() => void nft('delete table inet strict'));
  nft(
    'add table inet strict; add chain inet strict far; add chain inet strict near; ' +
      'add chain inet strict in { type filter hook input priority 10; policy drop; }; ' +
      ['add rule inet strict in ip protocol != udp accept', ...commands].join('; '),
  );
  await eventually(() => rules() === 0);
  expect(machines.ask('client', 'tcp', nodeAddress(1), 8080, 1)).toEqual([`t2 ${CLIENT}`]);
  expect(tracked('node1')).not.toBe('');
});

test('it is not for rules that ask elsewhere, or nothing', async () => {
  const iptables = (...args: string[]) => machines.inside('node1', 'iptables-nft', ...args);
  iptables('-A', 'FORWARD', '-m', 'conntrack', '--ctstate', 'NEW', '-j', 'ACCEPT');
  iptables('-A', 'INPUT', '-p', 'udp', '--dport', '4789', '-j', 'ACCEPT');
  nft('add table ip other; add chain ip other unused; add rule ip other unused ct state new drop');
  await drivers[0]?.repair();
  expect(rules()).toBe(2);
  iptables('-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'DROP');
  await eventually(() => rules() === 0);
  iptables('-F');
  await eventually(() => rules() === 2);
});
