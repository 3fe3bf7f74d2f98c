import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Hop } from '../../netlb/trace/hop.js';
import { type Driver, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from './plane-swarm.js';
import { lostAt, summary, Tracing } from './trace-fixture.js';

const VIP = '10.0.1.200';
const EMPTY = '10.0.1.201';
const swarm: Swarm = {
  nodes: [1, 2],
  networks: ['front', 'back'],
  tasks: [
    { name: 'a1', node: 1, host: 11, networks: ['front'] },
    { name: 'a2', node: 2, host: 12, networks: ['front'] },
    { name: 'a3', node: 1, host: 13, networks: ['front'] },
    { name: 'b1', node: 2, host: 14, networks: ['back'], ingress: false, gateway: false },
  ],
  services: [
    { protocol: 'tcp', published: 8080, backends: ['a2'] },
    { protocol: 'udp', published: 8053, backends: ['a1', 'a2'] },
    { protocol: 'tcp', published: 8081, backends: [] },
  ],
  virtual: [
    { network: 'front', address: VIP, tasks: ['a2', 'a3'] },
    { network: 'front', address: EMPTY, tasks: [] },
  ],
};
const A2 = '10.0.1.12';
const A2_MAC = '02:42:0a:00:01:0c';
const FRONT = '1-front00000';
const machines = new Machines();
const drivers: Driver[] = [];
let tracing: Tracing;
const nodeOf = (name: string) => `node${swarm.tasks.find((task) => task.name === name)?.node}`;
const sandbox = (name: string) => machines.sandbox(nodeOf(name), idOf(name));
const front = (node: number) => machines.sandbox(`node${node}`, FRONT);
const run = (where: string, command: string) => machines.inside(where, ...command.split(' '));

/** Breaks something until the test ends. */
function fault(where: string, breaking: string, mending: string): void {
  onTestFinished(() => void run(where, mending));
  run(where, breaking);
}

/** Rules of somebody else, until the test ends. */
function foreignTable(where: string, text: string): void {
  onTestFinished(() => void machines.inside(where, 'nft', 'delete', 'table', 'inet', 'foreign'));
  machines.inside(where, 'nft', `table inet foreign {\n${text}\n}`);
}

/** The port of a task's interface on its bridge. */
function portOf(task: string, device: string): string {
  const links = machines.json<{ ifname: string; ifalias?: string }>(front(task === 'a2' ? 2 : 1), 'ip', 'link', 'show');
  return links.find(({ ifalias }) => ifalias === `${idOf(task)} ${device}`)?.ifname ?? '';
}

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of swarm.nodes) {
    machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
    drivers.push(await machines.driver(`node${n}`));
  }
  for (const [i, driver] of drivers.entries()) {
    const { problems } = await driver.apply(desiredState(swarm, i + 1));
    expect(problems).toEqual([]);
  }
  for (const { name } of swarm.tasks) await machines.serve(sandbox(name), name);
  tracing = new Tracing(machines, swarm);
});

afterAll(async () => {
  tracing?.close();
  await machines.close();
});

describe('a whole way', () => {
  test('task to task on another node - every hop, as ip and bridge show it', async () => {
    const trace = await tracing.run('a1', A2);
    expect(trace).toMatchObject({ complete: true, verdict: 'The way is complete, there and back.' });
    const there = trace.hops.filter(({ leg }) => leg === 'there');
    expect(there.map(summary)).toEqual([
      'node1 a1 route',
      'node1 a1 neighbour',
      'node1 a1 link',
      `node1 ${FRONT} bridge`,
      `node1 ${FRONT} fdb`,
      'node1 - underlay',
      'node2 - underlay',
      `node2 ${FRONT} vxlan`,
      `node2 ${FRONT} bridge`,
      `node2 ${FRONT} link`,
      'node2 a2 interface',
      'node2 a2 socket',
    ]);
    const hop = (kind: string, node: string) => there.find((one) => one.kind === kind && one.node === node) as Hop;
    const [eth1] = machines.json<{ ifindex: number; link_index: number }>(sandbox('a1'), 'ip', 'link', 'show', 'eth1');
    const [peer] = machines.json<{ ifindex: number }>(front(1), 'ip', 'link', 'show', portOf('a1', 'eth1'));
    expect(hop('link', 'node1').details).toMatchObject({
      device: 'eth1',
      index: String(eth1?.ifindex),
      peer: portOf('a1', 'eth1'),
      peerIndex: String(peer?.ifindex),
      peerNamespace: FRONT,
    });
    expect(eth1?.link_index).toBe(peer?.ifindex);
    expect(hop('fdb', 'node1').details).toMatchObject({ vni: '4097', port: '4789', vtep: nodeAddress(2), mac: A2_MAC });
    expect(hop('route', 'node1').details).toMatchObject({
      table: 'main',
      rule: '32766',
      device: 'eth1',
      source: '10.0.1.11',
    });
    expect(hop('socket', 'node2').title).toBe('a2 listens on tcp 0.0.0.0:80');
  });

  test('on one node - over the bridge alone', async () => {
    const { complete, hops } = await tracing.run('a1', '10.0.1.13', 'icmp');
    expect(complete).toBe(true);
    expect(hops.some(({ kind }) => kind === 'vxlan' || kind === 'underlay')).toBe(false);
  });

  test('virtual address - all candidates with their turns, and the way to the one that is asked for', async () => {
    const { complete, hops } = await tracing.run('a1', VIP, 'tcp', 80, A2);
    expect(complete).toBe(true);
    const balancer = hops.find(({ kind }) => kind === 'balancer');
    expect(balancer?.candidates).toEqual([
      { address: A2, port: undefined, weight: 1, owner: 'a2', node: 'node2', taken: true },
      { address: '10.0.1.13', port: undefined, weight: 1, owner: 'a3', node: 'node1', taken: false },
    ]);
    expect(hops.some(({ kind, owner }) => kind === 'socket' && owner === 'a2')).toBe(true);
  });

  test('from outside to a published port - by both translations, and back by mark and table 100', async () => {
    const { complete, hops } = await tracing.run(CLIENT, nodeAddress(1), 'tcp', 8080);
    expect(complete).toBe(true);
    const translations = hops
      .filter(({ kind }) => kind === 'translation' || kind === 'balancer')
      .map(({ title }) => title);
    expect(translations).toEqual([
      'destination 192.0.2.1:8080 → 172.18.0.2:8080',
      'destination 172.18.0.2:8080 → 10.0.0.12:8080',
      'destination 10.0.0.12:8080 → 10.0.0.12:80',
      'source 10.0.0.12:80 → 10.0.0.12:8080 (as it was)',
      'source 10.0.0.12:8080 → 172.18.0.2:8080 (as it was)',
      'source 172.18.0.2:8080 → 192.0.2.1:8080 (as it was)',
    ]);
    const back = hops.find(({ leg, owner, kind }) => leg === 'back' && owner === 'a2' && kind === 'route');
    expect(back?.details).toMatchObject({ table: '100', mark: '0x200000a', via: '169.254.1.1' });
    expect(hops.at(-1)).toMatchObject({ node: 'node1', kind: 'outside', status: 'ok' });
  });

  test('a node calls its own published port, and a task that of its node', async () => {
    expect(await tracing.run('node1', '127.0.0.1', 'tcp', 8080)).toMatchObject({ complete: true });
    expect(await tracing.run('a1', nodeAddress(1), 'tcp', 8080)).toMatchObject({ complete: true });
  });

  test('out of the swarm - the last hop is the node’s interface, with the node’s address as source', async () => {
    const { complete, hops } = await tracing.run('a1', CLIENT, 'icmp');
    expect(complete).toBe(true);
    expect(hops.at(-1)).toMatchObject({ kind: 'outside', title: `${nodeAddress(1)} → ${CLIENT} by eth0` });
  });
});

describe('nowhere to go', () => {
  test.each([
    ['a1', EMPTY, 80, 'filter', 'the service of 10.0.1.201 has no task that takes connections'],
    [CLIENT, nodeAddress(1), 8081, 'filter', 'no task takes connections to published port 8081'],
    ['a1', '10.0.2.14', 80, 'route', 'a1 is in ingress, front, b1 in back: they have no network in common'],
    ['node1', A2, 80, 'route', 'the node itself is not inside of overlay networks'],
    [CLIENT, A2, 80, 'outside', 'from outside only published ports are reached'],
    [CLIENT, nodeAddress(1), 9999, 'socket', 'nobody in the node listens on tcp port 9999'],
    ['a1', A2, 81, 'socket', 'nobody in a2 listens on tcp port 81 (but on 80)'],
  ] as const)('%s to %s:%i - %s: %s', async (from, to, port, kind, reason) => {
    const hop = lostAt(await tracing.run(from, to, 'tcp', port));
    expect(hop).toMatchObject({ kind, reason: expect.stringContaining(reason) });
  });
});

test('tasks do not reach each other over the gateway bridge', async () => {
  // Ports are isolated, or where bridge netfilter is on a rule of the node drops it.
  const { reason } = lostAt(await tracing.run('a1', '172.18.0.4', 'tcp', 80));
  expect(reason).toMatch(/isolated from each other|may not be forwarded there/);
});

describe('a fault made by hand is named', () => {
  const vxlanEntry = `${A2_MAC} dev vxlan0 dst ${nodeAddress(2)}`;
  const lost = async (from = 'a1', to = A2, port = 80) => {
    const trace = await tracing.run(from, to, 'tcp', port);
    return `${summary(lostAt(trace))}: ${lostAt(trace).reason}`;
  };
  const isLost = () => expect(machines.ask(sandbox('a1'), 'tcp', A2, 80, 1)[0]).not.toMatch(/^a2/);

  test('forwarding entry of the VXLAN device deleted', async () => {
    fault(front(1), `bridge fdb del ${vxlanEntry}`, `bridge fdb append ${vxlanEntry}`);
    isLost();
    expect(await lost()).toMatch(/^node1 1-front00000 fdb: vxlan0 has no forwarding entry for 02:42:0a:00:01:0c/);
  });

  test('forwarding entry that leads to the wrong node', async () => {
    const wrong = `${A2_MAC} dev vxlan0 dst 192.0.2.99`;
    fault(front(1), `bridge fdb replace ${wrong}`, `bridge fdb replace ${vxlanEntry}`);
    expect(await lost()).toBe(
      'node1 1-front00000 fdb: the forwarding entry is wrong: 02:42:0a:00:01:0c is behind 192.0.2.2 (node2), not 192.0.2.99',
    );
  });

  test('neighbour entry of the VXLAN device deleted', async () => {
    fault(
      front(1),
      `ip neigh del ${A2} dev vxlan0`,
      `ip neigh replace ${A2} lladdr ${A2_MAC} nud permanent dev vxlan0`,
    );
    run(sandbox('a1'), 'ip neigh flush dev eth1');
    isLost();
    expect(await lost()).toBe(
      'node1 a1 neighbour: nobody answers ARP for 10.0.1.12: vxlan0 has no neighbour entry for it',
    );
  });

  test('wrong neighbour entry in the sender', async () => {
    const entry = `ip neigh replace ${A2} lladdr 02:42:0a:00:01:63 nud permanent dev eth1`;
    fault(sandbox('a1'), entry, `ip neigh del ${A2} dev eth1`);
    isLost();
    expect(await lost()).toMatch(
      /^node1 a1 neighbour: the neighbour entry is wrong: 10\.0\.1\.12 has 02:42:0a:00:01:0c/,
    );
  });

  test('forwarding entry of the bridge deleted - passes, flooded, and is doubted', async () => {
    fault(
      front(1),
      `bridge fdb del ${A2_MAC} dev vxlan0 master`,
      `bridge fdb replace ${A2_MAC} dev vxlan0 master static`,
    );
    const trace = await tracing.run('a1', A2);
    expect(trace).toMatchObject({ complete: true, verdict: 'The way is complete, with 1 doubt.' });
    expect(trace.hops.find(({ status }) => status === 'doubtful')?.reason).toMatch(/flooded to all ports/);
    expect(machines.ask(sandbox('a1'), 'tcp', A2, 80, 1)[0]).toMatch(/^a2/);
  });

  test('port of the receiver down', async () => {
    const port = portOf('a2', 'eth1');
    fault(front(2), `ip link set ${port} down`, `ip link set ${port} up`);
    isLost();
    expect(await lost()).toBe(`node2 1-front00000 link: port ${port} is down`);
  });

  test('VXLAN device down, on either node', async () => {
    fault(front(1), 'ip link set vxlan0 down', 'ip link set vxlan0 up');
    expect(await lost()).toBe('node1 1-front00000 link: port vxlan0 is down');
  });

  test('bridge down on the far node', async () => {
    fault(front(2), 'ip link set br0 down', 'ip link set br0 up');
    expect(await lost()).toBe('node2 1-front00000 bridge: the bridge br0 is down');
  });

  test('VXLAN device taken off the bridge', async () => {
    fault(front(2), 'ip link set vxlan0 nomaster', 'ip link set vxlan0 master br0');
    expect(await lost()).toBe("node2 1-front00000 vxlan: vxlan0 of node2 is not a port of the network's bridge");
  });

  test('MTU of a port smaller than the sender’s, with sizes', async () => {
    const port = portOf('a2', 'eth1');
    fault(front(2), `ip link set ${port} mtu 1300`, `ip link set ${port} mtu 1450`);
    expect(await lost()).toMatch(
      new RegExp(`^node2 1-front00000 link: the MTU of port ${port} is 1300, less than the 1450 bytes`),
    );
  });

  test('MTU of the underlay too small for VXLAN', async () => {
    fault(machines.path('node1'), 'ip link set eth0 mtu 1400', 'ip link set eth0 mtu 1500');
    expect(await lost()).toMatch(
      /^node1 - underlay: VXLAN packets of up to 1500 bytes .* do not fit the MTU 1400 of eth0/,
    );
  });

  test('address taken off the receiver’s interface', async () => {
    // A namespace begins with what the machine has; a host that forwards would send the packet on.
    const forwards = run(sandbox('a2'), 'sysctl --values net.ipv4.ip_forward').trim();
    fault(sandbox('a2'), 'sysctl -qw net.ipv4.ip_forward=0', `sysctl -qw net.ipv4.ip_forward=${forwards}`);
    fault(sandbox('a2'), 'ip address del 10.0.1.12/24 dev eth1', 'ip address add 10.0.1.12/24 dev eth1');
    expect(await lost()).toMatch(/^node2 a2 route: .*10\.0\.1\.12/);
  });

  test('MAC of the receiver changed', async () => {
    fault(sandbox('a2'), 'ip link set eth1 address 02:42:0a:00:01:77', `ip link set eth1 address ${A2_MAC}`);
    expect(await lost()).toMatch(/node2 .*02:42:0a:00:01:0c/);
  });

  test('rule of somebody else that drops in the receiver', async () => {
    foreignTable(sandbox('a2'), 'chain in {\n type filter hook input priority 0; tcp dport 80 drop\n}');
    isLost();
    expect(await lost()).toMatch(
      /^node2 a2 filter: a rule drops it: tcp dport 80 drop \(table inet foreign, chain in, handle \d+\)/,
    );
  });

  test('one rule of many, which a process of its own has to read', async () => {
    const many = Array.from({ length: 300 }, (_, i) => `tcp dport ${1000 + i} accept`).join('\n');
    foreignTable(sandbox('a2'), `chain in {\n type filter hook input priority 0;\n${many}\ntcp dport 80 drop\n}`);
    expect(await lost()).toMatch(/^node2 a2 filter: a rule drops it: tcp dport 80 drop/);
  });

  test('rule that may drop, in the sender - passes, and is doubted', async () => {
    foreignTable(sandbox('a1'), 'chain out {\n type filter hook output priority 0; limit rate 1/second drop\n}');
    const { complete, hops } = await tracing.run('a1', A2);
    expect(complete).toBe(true);
    expect(hops.find(({ status }) => status === 'doubtful')).toMatchObject({ kind: 'filter', owner: 'a1' });
  });

  test('policy of somebody else that drops what the node forwards', async () => {
    foreignTable(
      machines.path('node1'),
      'chain forwarding {\n type filter hook forward priority 0; policy drop; iifname "docker0" accept\n}',
    );
    expect(await lost(CLIENT, nodeAddress(1), 8080)).toMatch(
      /^node1 - filter: the policy of table inet foreign, chain forwarding is drop, and no rule of it accepts the packet/,
    );
  });

  test('firewall of the far node that drops VXLAN', async () => {
    foreignTable(machines.path('node2'), 'chain in {\n type filter hook input priority 0; udp dport 4789 drop\n}');
    isLost();
    expect(await lost()).toMatch(/^node2 - filter: a rule drops it: udp dport 4789 drop/);
  });

  test('reverse path filter in the receiver', async () => {
    fault(sandbox('a2'), 'sysctl -qw net.ipv4.conf.all.rp_filter=1', 'sysctl -qw net.ipv4.conf.all.rp_filter=0');
    expect(await lost(CLIENT, nodeAddress(1), 8080)).toMatch(/^node2 a2 route: the reverse path filter drops it/);
  });

  test('rule of the way back deleted', async () => {
    const rule = run(sandbox('a2'), 'ip rule show pref 100')
      .trim()
      .replace(/^100:\s*/, '')
      .replace('lookup', 'table');
    fault(sandbox('a2'), 'ip rule del pref 100', `ip rule add pref 100 ${rule}`);
    expect(await lost(CLIENT, nodeAddress(1), 8080)).toMatch(/the answer leaves node2 as one of 10\.0\.0\.12/);
  });

  test('listener only on the loopback', async () => {
    const program = "require('node:net').createServer().listen(8088, '127.0.0.1', () => console.log('ready'))";
    const child = machines.start(sandbox('a2'), process.execPath, '-e', program);
    onTestFinished(() => void child.kill('SIGKILL'));
    if (child.stdout) await once(child.stdout, 'data');
    expect(await lost('a1', A2, 8088)).toBe('node2 a2 socket: a2 listens on 127.0.0.1:8088 only, not on 10.0.1.12');
  });

  test('a node that cannot be asked', async () => {
    const reader = tracing.withdraw('node2');
    onTestFinished(() => tracing.restore('node2', reader));
    expect(await lost()).toMatch(/^node2 .*node: node2 cannot be reached/);
  });

  // The last: what it takes away is not put back.
  test('another VNI on the far node', async () => {
    const mac = machines.json<{ address: string }>(front(2), 'ip', 'link', 'show', 'vxlan0')[0]?.address ?? '';
    run(front(2), 'ip link del vxlan0');
    run(front(2), `ip link add vxlan0 address ${mac} type vxlan id 5000 dstport 4789 local ${nodeAddress(2)} proxy`);
    run(front(2), 'ip link set vxlan0 master br0 up');
    expect(await lost()).toBe(
      'node2 1-front00000 vxlan: the packet has VNI 4097 and comes to port 4789; 1-front00000 of node2 has VNI 5000 on port 4789',
    );
  });
});
