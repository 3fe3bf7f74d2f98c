import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Driver, Machines } from '../kernel/plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Service, type Swarm } from '../kernel/plane-swarm.js';
import { lostAt, Tracing } from '../kernel/trace-fixture.js';

const tasks = [
  { name: 't1', node: 1, host: 11 },
  { name: 't2', node: 2, host: 12 },
];
const backends: Service['backends'] = [
  { task: 't1', weight: 1 },
  { task: 't2', weight: 3 },
];
const swarm = (of: typeof backends): Swarm => ({
  nodes: [1, 2],
  tasks,
  services: [{ protocol: 'tcp', published: 8080, target: 80, backends: of }],
});
const machines = new Machines();
const drivers: Driver[] = [];
let tracing: Tracing;
const T2 = '10.0.0.12';

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of [1, 2]) {
    machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
    drivers.push(await machines.driver(`node${n}`, { balancer: 'ipvs' }));
  }
  await apply(backends);
  for (const { name, node } of tasks) await machines.serve(machines.sandbox(`node${node}`, idOf(name)), name);
  tracing = new Tracing(machines, swarm(backends));
}, 480_000);
afterAll(async () => {
  tracing?.close();
  await machines.close();
});

async function apply(of: typeof backends): Promise<void> {
  for (const [i, driver] of drivers.entries())
    expect((await driver.apply(desiredState(swarm(of), i + 1))).problems).toEqual([]);
}

test('a trace goes through IPVS, and back: the service, and the weights of its destinations', async () => {
  const trace = await tracing.run(CLIENT, nodeAddress(1), 'tcp', 8080, T2);
  expect(trace).toMatchObject({ complete: true, verdict: 'The way is complete, there and back.' });
  const balancers = trace.hops.filter(({ kind }) => kind === 'balancer');
  expect(balancers).toMatchObject([
    {
      node: 'node1',
      namespace: 'ingress_sbox',
      title: expect.stringMatching(/^IPVS FWM 256 .*:8080 → 10\.0\.0\.12:/),
      details: { service: 'FWM 256', scheduler: 'wrr' },
      candidates: [
        { address: T2, weight: 3, owner: 't2', node: 'node2', taken: true },
        { address: '10.0.0.11', weight: 1, owner: 't1', node: 'node1', taken: false },
      ],
    },
  ]);
  // What the kernel itself shows.
  const rules = machines.inside(machines.sandbox('node1', 'ingress_sbox'), 'ipvsadm', '-Sn');
  expect(rules).toContain('-A -f 256 -s wrr');
  expect(rules).toMatch(/-r 10\.0\.0\.12\S* -m -w 3/);
  expect(trace.hops.filter(({ leg }) => leg === 'back').at(-1)).toMatchObject({ node: 'node1', kind: 'outside' });
});

test('when nobody takes new connections, it says so', async () => {
  await apply([]);
  expect(lostAt(await tracing.run(CLIENT, nodeAddress(1), 'tcp', 8080)).reason).not.toBe('');
  await apply([
    { task: 't1', weight: 0 },
    { task: 't2', weight: 0 },
  ]);
  const lost = lostAt(await tracing.run(CLIENT, nodeAddress(1), 'tcp', 8080));
  expect(lost).toMatchObject({ node: 'node1', namespace: 'ingress_sbox' });
  await apply(backends);
});
