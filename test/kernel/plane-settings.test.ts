import { afterEach, expect, test } from 'vitest';
import { Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from './plane-swarm.js';

const swarm: Swarm = {
  nodes: [1, 2],
  tasks: [
    { name: 't1', node: 1, host: 11 },
    { name: 't2', node: 2, host: 12 },
    { name: 't3', node: 1, host: 13 },
  ],
  services: [
    { protocol: 'tcp', published: 8080, backends: ['t1', 't2'] },
    { protocol: 'udp', published: 8080, backends: ['t1', 't2'] },
  ],
};
const sandbox = (machines: Machines, name: string, node: number) => machines.sandbox(`node${node}`, idOf(name));
let machines: Machines;

afterEach(() => machines.close());

async function up(prepare: (node: string) => void, options: object = {}): Promise<void> {
  machines = new Machines();
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of swarm.nodes) {
    machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
    prepare(`node${n}`);
    const driver = await machines.driver(`node${n}`, options);
    expect((await driver.apply(desiredState(swarm, n))).problems).toEqual([]);
    expect((await driver.apply(desiredState(swarm, n))).operations).toBe(0);
  }
  for (const { name, node } of swarm.tasks) await machines.serve(sandbox(machines, name, node), name);
}

/** Whether ports of the gateway bridge are isolated, and what the first task reaches of its neighbour there. */
function gatewayBridge() {
  const ports = machines.json<{ ifname: string; linkinfo: { info_slave_data: { isolated: boolean } } }>(
    'node1',
    'ip',
    '-d',
    'link',
    'show',
    'master',
    'swarm_gwbridge',
  );
  const [address] = machines
    .json<{ addr_info: { local: string }[] }>(sandbox(machines, 't3', 1), 'ip', '-4', 'address', 'show', 'dev', 'eth1')
    .flatMap(({ addr_info: list }) => list.map(({ local }) => local));
  return {
    isolated: ports.map(({ linkinfo }) => linkinfo.info_slave_data.isolated),
    neighbour: machines.ask(sandbox(machines, 't1', 1), 'tcp', address ?? '', 80, 1)[0],
    hairpin: machines.ask(sandbox(machines, 't1', 1), 'tcp', nodeAddress(1), 8080, 2).sort(),
  };
}

const bridgeNetfilter = (value: 0 | 1) => (node: string) => {
  for (const hook of ['iptables', 'ip6tables'])
    machines.inside(node, 'sysctl', '-qw', `net.bridge.bridge-nf-call-${hook}=${value}`);
};
const hairpin = ['t1', 't2'].map((name) => `${name} ${nodeAddress(1)}`);

test('gateway bridge - ports are isolated, hairpins pass, tasks do not reach each other', async () => {
  await up(bridgeNetfilter(0));
  expect(gatewayBridge()).toEqual({
    isolated: [true, true, true],
    neighbour: expect.stringMatching(/no answer|EHOSTUNREACH/),
    hairpin,
  });
});

test('gateway bridge - with bridge netfilter rules isolate instead, and hairpins pass too', async () => {
  await up(bridgeNetfilter(1));
  expect(gatewayBridge()).toEqual({
    isolated: [false, false, false],
    neighbour: expect.stringMatching(/no answer|EHOSTUNREACH/),
    hairpin,
  });
});

test('client address - hidden on request: connections come from the ingress network', async () => {
  await up(() => undefined, { keepClientAddress: false });
  for (const n of swarm.nodes)
    for (const protocol of ['tcp', 'udp'] as const)
      expect(machines.ask('client', protocol, nodeAddress(n), 8080, 4).sort()).toEqual(
        ['t1', 't1', 't2', 't2'].map((name) => `${name} 10.0.0.${n + 1}`),
      );
});
