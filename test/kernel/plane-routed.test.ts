import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import type { DesiredState, RoutedNetwork, Sandbox } from '../../netlb/state.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, idOf, nodeAddress } from './plane-swarm.js';

/** Of each network node n has 10.x.n.0/24, and in it one container. */
interface Net {
  readonly name: string;
  readonly second: number;
  readonly backend: RoutedNetwork['backend'];
  readonly internal?: boolean;
}

const tunnelled: Net = { name: 'tunnelled', second: 1, backend: 'vxlan' };
const direct: Net = { name: 'direct', second: 2, backend: 'host-gw' };
const inner: Net = { name: 'inner', second: 3, backend: 'vxlan', internal: true };
const nets = [tunnelled, direct, inner];

const addressIn = ({ second }: Net, node: number) => `10.${second}.${node}.2`;
const vniOf = ({ backend, second }: Net) => (backend === 'vxlan' ? 5000 + second : 0);

function stateOf(node: number, wanted: readonly Net[], nodes: readonly number[] = [1, 2]): DesiredState {
  return {
    underlay: { address: nodeAddress(node), vxlanPort: 4789 },
    gatewayBridge: { address: '172.18.0.1/16', address6: '' },
    overlays: [],
    bridges: [],
    routed: wanted.map((net) => ({
      id: idOf(net.name),
      backend: net.backend,
      vni: vniOf(net),
      subnet: `10.${net.second}.0.0/16`,
      gateways: [`10.${net.second}.${node}.1/24`],
      mtu: 0,
      internal: net.internal === true,
      peers: nodes
        .filter((peer) => peer !== node)
        .map((peer) => ({
          subnet: `10.${net.second}.${peer}.0/24`,
          address: nodeAddress(peer),
          mac: macOf(`10.${net.second}.${peer}.0`),
        })),
    })),
    sandboxes: wanted.map(
      (net): Sandbox => ({
        id: idOf(`${net.name}${node}`),
        endpoints: [{ networkId: idOf(net.name), addresses: [addressIn(net, node)], mac: macOf(addressIn(net, node)) }],
        gateway: false,
        virtualServices: [],
        ingress: undefined,
        hostPorts: [],
        resolver: undefined,
      }),
    ),
    ingress: undefined,
    zones: [],
  };
}

const machines = new Machines();
const drivers: Driver[] = [];
const servers: ChildProcess[] = [];
const inside = (net: Net, node: number) => machines.sandbox(`node${node}`, idOf(`${net.name}${node}`));
const UNREACHED = /no answer|EHOSTUNREACH|ENETUNREACH/;
const ours = (node: number) => machines.inside(`node${node}`, 'ip', 'route', 'show', 'proto', '115').trim();
/** Links and routes of a node, and its rules. */
const everything = (node: number) =>
  [
    ['ip', '-o', 'link'],
    ['ip', 'route'],
    ['ip', 'neigh', 'show', 'nud', 'permanent'],
    ['bridge', 'fdb'],
    ['nft', 'list', 'ruleset'],
  ].map((command) => machines.inside(`node${node}`, ...command));

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const node of [1, 2]) {
    machines.addHost(`node${node}`, `${nodeAddress(node)}/24`);
    machines.inside(`node${node}`, 'ip', 'route', 'add', '10.77.0.0/16', 'via', CLIENT);
    drivers.push(await machines.driver(`node${node}`));
  }
  for (const [i, driver] of drivers.entries()) {
    const { problems } = await driver.apply(stateOf(i + 1, nets));
    expect(problems).toEqual([]);
  }
  for (const net of nets)
    for (const node of [1, 2]) servers.push(await machines.serve(inside(net, node), `${net.name}${node}`));
});

afterAll(() => machines.close());

describe('routed networks', () => {
  test.each(nets)('$name - containers reach each other under their own addresses, nodes reach them', (net) => {
    const [one, two] = [addressIn(net, 1), addressIn(net, 2)];
    expect(machines.ask(inside(net, 1), 'tcp', two, 80, 1)).toEqual([`${net.name}2 ${one}`]);
    expect(machines.ask(inside(net, 2), 'udp', one, 80, 1)).toEqual([`${net.name}1 ${two}`]);
    expect(machines.ask('node1', 'tcp', one, 80, 1)[0]).toContain(`${net.name}1 `);
    expect(machines.ask('node1', 'tcp', two, 80, 1)[0]).toContain(`${net.name}2 `);
  });

  test('the largest packet of each passes, and shows the MTU', () => {
    for (const [net, mtu] of [[tunnelled, 1450] as const, [direct, 1500] as const]) {
      const size = String(mtu - 28);
      machines.inside(inside(net, 1), 'busybox', 'ping', '-c1', '-W2', '-s', size, addressIn(net, 2));
      const [link] = machines.json<{ mtu: number }>(inside(net, 1), 'ip', 'link', 'show', 'dev', 'eth0');
      expect(link?.mtu).toBe(mtu);
    }
  });

  test('isolation - nothing goes from one to another, on one node or between two, nor in from outside', () => {
    for (const node of ['node1', 'node2'])
      machines.inside('client', 'ip', 'route', 'replace', '10.0.0.0/13', 'via', nodeAddress(Number(node.at(-1))));
    const reached = (where: string, of: readonly Net[]) => {
      const targets = of.flatMap((net) => [1, 2].map((node) => `tcp ${addressIn(net, node)} 80`));
      return machines.survey(where, targets).filter((answer) => !UNREACHED.test(answer));
    };
    for (const from of nets)
      expect(
        reached(
          inside(from, 1),
          nets.filter((other) => other !== from),
        ),
      ).toEqual([]);
    expect(reached('client', nets)).toEqual([]);
  });

  test('the way out - as the node; of an internal network none', async () => {
    await machines.serve('client', 'client');
    for (const net of [tunnelled, direct])
      expect(machines.ask(inside(net, 1), 'tcp', CLIENT, 80, 1)).toEqual([`client ${nodeAddress(1)}`]);
    expect(machines.ask(inside(inner, 1), 'tcp', CLIENT, 80, 1)[0]).toMatch(UNREACHED);
  });

  test('a plane that comes after another one - finds all as it shall be', async () => {
    const before = everything(1);
    await drivers[0]?.kill();
    const next = await machines.driver('node1');
    drivers[0] = next;
    expect(await next.apply(stateOf(1, nets))).toMatchObject({ problems: [], operations: 0 });
    expect(everything(1)).toEqual(before);
  });

  test('what somebody takes away or adds - is put right', async () => {
    const before = everything(1).slice(1);
    const [device] = [`routed.${vniOf(tunnelled)}`];
    machines.inside('node1', 'ip', 'route', 'del', '10.1.2.0/24');
    machines.inside('node1', 'ip', 'route', 'del', '10.2.2.0/24');
    machines.inside('node1', 'ip', 'route', 'add', '10.9.0.0/24', 'dev', device, 'proto', '115');
    machines.inside('node1', 'ip', 'neigh', 'del', '10.1.2.0', 'dev', device);
    machines.inside('node1', 'bridge', 'fdb', 'del', macOf('10.1.2.0'), 'dev', device);
    machines.inside('node1', 'ip', 'link', 'del', `routed.${vniOf(inner)}`);
    await drivers[0]?.kill();
    const next = await machines.driver('node1');
    drivers[0] = next;
    expect(await next.apply(stateOf(1, nets))).toMatchObject({ problems: [] });
    expect(everything(1).slice(1).map(sorted)).toEqual(before.map(sorted));
    for (const net of nets)
      expect(machines.ask(inside(net, 1), 'tcp', addressIn(net, 2), 80, 1)).toEqual([
        `${net.name}2 ${addressIn(net, 1)}`,
      ]);
  });

  test('a node on another segment - host-gw names it, VXLAN goes there', async () => {
    const far = stateOf(1, nets).routed.map((net) => ({
      ...net,
      peers: [
        ...net.peers,
        { subnet: net.subnet.replace('0.0/16', '3.0/24'), address: '198.51.100.3', mac: macOf('10.1.3.0') },
      ],
    }));
    const { problems } = (await drivers[0]?.apply({ ...stateOf(1, nets), routed: far })) ?? {};
    expect(problems).toEqual([
      {
        subject: { kind: 'bridge', id: idOf('direct') },
        message: expect.stringContaining('host-gw reaches nodes on one segment only: 198.51.100.3'),
      },
    ]);
    expect(ours(1)).toContain('10.1.3.0/24');
    expect(ours(1)).not.toContain('10.2.3.0/24');
  });

  test('a node that is gone, and then the networks - leave nothing, and foreign routes stay', async () => {
    await drivers[0]?.apply(stateOf(1, nets, [1]));
    expect(ours(1)).toBe('');
    // Processes would keep their namespaces.
    const ended = servers.map((server) => once(server, 'exit'));
    for (const server of servers) server.kill('SIGKILL');
    await Promise.all(ended);
    await drivers[0]?.apply(stateOf(1, []));
    // Ports go with the namespaces of their other ends, in the kernel's own time.
    await eventually(() => !/: (?:br-|routed|veth)/.test(machines.inside('node1', 'ip', '-o', 'link')));
    expect(machines.inside('node1', 'ip', 'route')).toContain('10.77.0.0/16');
    await drivers[1]?.destroy();
    expect(ours(2)).toBe('');
    expect(machines.inside('node2', 'ip', 'route')).toContain('10.77.0.0/16');
    expect(machines.inside('node2', 'nft', 'list', 'ruleset')).toBe('');
  });
});

/** In whatever order the kernel lists them, and whatever numbers it gives. */
const sorted = (text: string): string => text.split('\n').sort().join('\n');
