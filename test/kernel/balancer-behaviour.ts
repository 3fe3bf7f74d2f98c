/** What a balancer does for published ports, in two nodes with real kernels' state: the same for each of them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BalancerKind } from '../../netlb/balancer/balancer.js';
import type { ApplyReport } from '../../netlb/state.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import {
  CLIENT,
  CLIENT6,
  desiredState,
  idOf,
  nodeAddress,
  nodeAddress6,
  type Service,
  type Swarm,
} from './plane-swarm.js';

const nodes = [1, 2];
const names = ['t1', 't2', 't3'];
const tasks = names.map((name, i) => ({ name, node: i === 0 ? 1 : 2, host: 11 + i }));
type Backends = Service['backends'];
const draining = (task: string) => ({ task, weight: 0 });
const families = [
  { family: 4, client: CLIENT, node: nodeAddress(1) },
  { family: 6, client: CLIENT6, node: nodeAddress6(1) },
] as const;

/** @param seconds a test may take: emulated machines are slow */
export function describeBalancer(kind: BalancerKind, seconds: number): void {
  const machines = new Machines();
  const drivers: Driver[] = [];
  const services = new Map<string, Service>();
  const timeout = seconds * 1000;
  const sandbox = (name: string) =>
    machines.sandbox(`node${tasks.find((task) => task.name === name)?.node}`, idOf(name));
  const ingressSandbox = machines.sandbox('node1', 'ingress_sbox');

  /** Makes the service so, and leaves the others. */
  async function publish(service: Omit<Service, 'target'>): Promise<ApplyReport[]> {
    // Tasks listen on 80 alone: what comes there was published as another port.
    services.set(`${service.published}/${service.protocol}`, { ...service, target: 80 });
    const swarm: Swarm = { nodes, tasks, ipv6: true, services: [...services.values()] };
    return Promise.all(drivers.map((driver, i) => driver.apply(desiredState(swarm, i + 1))));
  }
  async function settle(service: Omit<Service, 'target'>): Promise<void> {
    for (const { problems } of await publish(service)) expect(problems).toEqual([]);
  }
  const askAt = (node: string, protocol: 'tcp' | 'udp', port: number, count: number) =>
    machines.ask('client', protocol, node, port, count).sort();
  const ask = (protocol: 'tcp' | 'udp', port: number, count: number) => askAt(nodeAddress(1), protocol, port, count);
  const seenBy = (client: string, ...list: string[]) => list.map((name) => `${name} ${client}`);
  const from = (...list: string[]) => seenBy(CLIENT, ...list);

  describe(`balancer ${kind}`, { timeout }, () => {
    beforeAll(async () => {
      machines.addHost('client', `${CLIENT}/24`);
      machines.addAddress6('client', CLIENT6);
      for (const n of nodes) {
        machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
        machines.addAddress6(`node${n}`, nodeAddress6(n));
      }
      drivers.push(...(await Promise.all(nodes.map((n) => machines.driver(`node${n}`, { balancer: kind })))));
      for (const protocol of ['tcp', 'udp'] as const) await settle({ protocol, published: 8080, backends: names });
      await Promise.all(names.map((name) => machines.serve(sandbox(name), name)));
    }, timeout);
    afterAll(() => machines.close(), timeout);

    test('a pass that finds all as it shall be changes nothing', async () => {
      for (const report of await publish({ protocol: 'tcp', published: 8080, backends: names }))
        expect(report).toMatchObject({ operations: 0, problems: [] });
    });

    describe.each(families)('over IPv$family', ({ client, node }) => {
      test.each(['tcp', 'udp'] as const)('%s - in turn, and every task sees the client', (protocol) => {
        expect(askAt(node, protocol, 8080, 6)).toEqual(seenBy(client, 't1', 't1', 't2', 't2', 't3', 't3'));
      });
    });

    test('weights count, and weight 0 gets nothing', async () => {
      const backends: Backends = [{ task: 't1', weight: 3 }, 't2', draining('t3')];
      await settle({ protocol: 'tcp', published: 8081, backends });
      const expected = ['t1', 't1', 't1', 't1', 't1', 't1', 't2', 't2'];
      for (const { client, node } of families) expect(askAt(node, 'tcp', 8081, 8)).toEqual(seenBy(client, ...expected));
    });

    test.each<[string, Backends]>([
      ['no backend', []],
      ['none that takes connections', [draining('t1')]],
    ])('a service with %s refuses at once', async (_, backends) => {
      for (const protocol of ['tcp', 'udp'] as const) {
        await settle({ protocol, published: 8082, backends });
        for (const { node } of families) expect(askAt(node, protocol, 8082, 1)).toEqual(['ECONNREFUSED']);
      }
    });

    test('a connection outlives draining, and is cut when its task goes', async () => {
      await settle({ protocol: 'tcp', published: 8083, backends: ['t1'] });
      const held = families.map((family) => ({ ...family, lines: machines.hold('client', family.node, 8083).lines }));
      await eventually(() => held.every(({ lines }) => lines.length > 0));
      await settle({ protocol: 'tcp', published: 8083, backends: [draining('t1'), 't2', 't3'] });
      const before = held.map(({ lines }) => lines.length);
      for (const { client, node } of families)
        expect(askAt(node, 'tcp', 8083, 4)).toEqual(seenBy(client, 't2', 't2', 't3', 't3'));
      await eventually(() => held.every(({ lines }, i) => lines.length > (before[i] ?? 0) + 5));
      for (const { client, lines } of held) expect(new Set(lines)).toEqual(new Set(seenBy(client, 't1')));
      await settle({ protocol: 'tcp', published: 8083, backends: ['t2', 't3'] });
      await eventually(() => held.every(({ lines }) => lines.at(-1)?.startsWith('ended')));
      expect(held.map(({ lines }) => lines.at(-1))).toEqual(['ended ECONNRESET', 'ended ECONNRESET']);
    });

    test('a change of one service leaves connections and turns of another alone', async () => {
      const held = machines.hold('client', nodeAddress(1), 8080);
      await eventually(() => held.lines.length > 0);
      await settle({ protocol: 'tcp', published: 8084, backends: ['t1'] });
      await settle({ protocol: 'tcp', published: 8084, backends: ['t2', 't3'] });
      const before = held.lines.length;
      await eventually(() => held.lines.length > before + 3);
      expect(new Set(held.lines).size).toBe(1);
      held.child.kill('SIGKILL');
    });

    test('a UDP flow whose task goes is with another at the next datagram', async () => {
      await settle({ protocol: 'udp', published: 8085, backends: ['t1'] });
      const flow = machines.hold('client', nodeAddress(1), 8085, 'udp');
      await eventually(() => flow.lines.includes(`t1 ${CLIENT}`));
      await settle({ protocol: 'udp', published: 8085, backends: ['t2'] });
      const before = flow.lines.length;
      await eventually(() => flow.lines.length > before + 3);
      // A tenth of a second is between two datagrams; one at most is lost on the way.
      expect(flow.lines.slice(before + 1)).toEqual(flow.lines.slice(before + 1).map(() => `t2 ${CLIENT}`));
      flow.child.kill('SIGKILL');
    });

    test.each(['sh', 'mh'] as const)('%s - a client address has one task through all nodes', async (scheduler) => {
      await settle({ protocol: 'tcp', published: 8086, backends: names, scheduler });
      const seen = nodes.flatMap((n) => machines.ask('client', 'tcp', nodeAddress(n), 8086, 4));
      expect(new Set(seen).size).toBe(1);
      const [chosen = ''] = seen[0]?.split(' ') ?? [];
      const backends = names.map((name) => (name === chosen ? draining(name) : name));
      await settle({ protocol: 'tcp', published: 8086, backends, scheduler });
      expect(ask('tcp', 8086, 2)).not.toContain(`${chosen} ${CLIENT}`);
    });

    test('affinity - a client keeps its task until that drains', async () => {
      const service = { protocol: 'tcp', published: 8087, affinity: 600 } as const;
      await settle({ ...service, backends: names });
      const chosen = families.map(({ node }) => {
        const seen = new Set(askAt(node, 'tcp', 8087, 6));
        expect(seen.size).toBe(1);
        return [...seen].join().split(' ')[0] ?? '';
      });
      await settle({ ...service, backends: names.map((name) => (chosen.includes(name) ? draining(name) : name)) });
      for (const { client, node } of families) {
        const after = [...new Set(askAt(node, 'tcp', 8087, 4))];
        expect(after).toHaveLength(1);
        expect(seenBy(client, ...names.filter((name) => !chosen.includes(name)))).toEqual(
          expect.arrayContaining(after),
        );
      }
      await settle({ ...service, affinity: 0, backends: names });
      expect(ask('tcp', 8087, 3)).toEqual(from(...names));
      await settle({ ...service, backends: names });
      expect(new Set(ask('tcp', 8087, 3).map((line) => line.split(' ')[0])).size).toBe(1);
    });

    test('one source port may be used again at once, and is never sent to a task that drains', async () => {
      await settle({ protocol: 'tcp', published: 8088, backends: ['t1'] });
      const again = () => machines.clash('client', 'tcp', [nodeAddress(1)], 8088);
      expect(again()).toEqual(from('t1'));
      await settle({ protocol: 'tcp', published: 8088, backends: [draining('t1'), 't2'] });
      expect(again()).toEqual(from('t2'));
    });

    if (kind === 'ipvs') {
      describeIpvs();
    } else {
      test('lc - is balanced in turn, which is told', async () => {
        const [first] = await publish({ protocol: 'tcp', published: 8090, backends: names, scheduler: 'lc' });
        expect(first?.problems.map(({ message }) => message)).toEqual([
          'port 8090/tcp is balanced in turn (rr) on this node; it asks for lc, which the balancer nft does not have: ' +
            'use a kernel with IPVS, and --balancer auto or ipvs',
        ]);
        expect(ask('tcp', 8090, 3)).toEqual(from(...names));
        await settle({ protocol: 'tcp', published: 8090, backends: names });
      });
    }
  });

  function describeIpvs(): void {
    const listing = () => machines.inside(ingressSandbox, 'ipvsadm', '-Ln');

    test('lc - a new connection goes to the task with the fewest', async () => {
      await settle({ protocol: 'tcp', published: 8090, backends: ['t1', 't2'], scheduler: 'lc' });
      const held = machines.hold('client', nodeAddress(1), 8090);
      await eventually(() => held.lines.length > 0);
      const [busy] = held.lines;
      expect(ask('tcp', 8090, 1)).not.toContain(busy);
      held.child.kill('SIGKILL');
    });

    test('ipvsadm shows services by mark, masquerading, with the nft listing’s marks', () => {
      const marks = machines.inside(ingressSandbox, 'nft', 'list', 'map', 'ip', 'tsswarm', 'marks');
      expect(marks).toMatch(/tcp \. 8080 : 0x00000100/);
      expect(listing()).toMatch(/^FWM {2}256 rr\n( {2}-> 10\.0\.0\.1[123]:0 +Masq +1 .*\n){3}/m);
      expect(listing()).toMatch(/^FWM {2}256 IPv6 rr\n( {2}-> \[fd00:6::1[123]\]:0 +Masq +1 .*\n){3}/m);
      expect(listing()).toMatch(/^FWM {2}\d+ rr persistent 600$/m);
      expect(machines.inside(ingressSandbox, 'ipvsadm', '-L', '--timeout')).toMatch(/432000 120 300/);
    });

    test('what is changed by hand is put back', async () => {
      const shown = listing().replace(/\d+ +\d+ *$/gm, '');
      machines.inside(ingressSandbox, 'ipvsadm', '-d', '-f', '256', '-r', '10.0.0.11');
      machines.inside(ingressSandbox, 'ipvsadm', '-e', '-f', '256', '-r', '10.0.0.12', '-m', '-w', '7');
      machines.inside(ingressSandbox, 'ipvsadm', '-E', '-f', '257', '-s', 'lc');
      machines.inside(ingressSandbox, 'ipvsadm', '-d', '-f', '256', '-6', '-r', '[fd00:6::11]:0');
      machines.inside(ingressSandbox, 'ipvsadm', '-A', '-t', '172.18.0.2:99');
      machines.inside(ingressSandbox, 'ipvsadm', '-A', '-t', '[fd00:7473::2]:99');
      const { repairs } = (await drivers[0]?.repair()) ?? { repairs: [] };
      expect(repairs.map(({ message }) => message).sort()).toEqual(
        [
          'the destination 10.0.0.11 of the IPVS service FWM 256 was missing',
          'the destination fd00:6::11 of the IPVS service FWM 256 IPv6 was missing',
          'the destination 10.0.0.12 of the IPVS service FWM 256 was not masquerading with weight 1',
          'the IPVS service FWM 257 was not rr',
          'nothing asked for the IPVS service TCP 172.18.0.2:99',
          'nothing asked for the IPVS service TCP [fd00:7473::2]:99',
        ]
          .map((words) => `${words} (in ingress_sbox)`)
          .sort(),
      );
      const sorted = (text: string) => text.split('\n').sort();
      expect(sorted(listing().replace(/\d+ +\d+ *$/gm, ''))).toEqual(sorted(shown));
    });
  }
}
