import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { TraceProtocol } from '../../netlb/trace/packet.js';
import { probe } from '../../worker/inspections/probe.js';
import { type Driver, Machines } from './plane-fixture.js';
import { desiredState, idOf, nodeAddress, type Swarm } from './plane-swarm.js';
import { Tracing } from './trace-fixture.js';

const VIP = '10.0.1.200';
const A2 = '10.0.1.12';
const swarm: Swarm = {
  nodes: [1, 2],
  networks: ['front'],
  tasks: [
    { name: 'a1', node: 1, host: 11, networks: ['front'] },
    { name: 'a2', node: 2, host: 12, networks: ['front'] },
    { name: 'a3', node: 1, host: 13, networks: ['front'] },
  ],
  services: [{ protocol: 'tcp', published: 8080, backends: ['a2'] }],
  virtual: [{ network: 'front', address: VIP, tasks: ['a2', 'a3'] }],
};
const machines = new Machines();
const drivers: Driver[] = [];
let tracing: Tracing;

beforeAll(async () => {
  for (const n of swarm.nodes) {
    machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
    drivers.push(await machines.driver(`node${n}`));
  }
  for (const [i, driver] of drivers.entries())
    expect((await driver.apply(desiredState(swarm, i + 1))).problems).toEqual([]);
  for (const { name, node } of swarm.tasks) await machines.serve(machines.sandbox(`node${node}`, idOf(name)), name);
  tracing = new Tracing(machines, swarm);
});

afterAll(async () => {
  tracing?.close();
  await machines.close();
});

/** Of a trace from a1. */
async function probed(destination: string, protocol: TraceProtocol, port = 80, prefer = '') {
  const { trace, question } = await tracing.traced('a1', destination, protocol, port, prefer);
  const ends = { source: '10.0.1.11', destination };
  const result = await probe(question, trace, ends, (node, queries) => tracing.ask(node, queries));
  const unseen = trace.hops.filter((_, i) => result.sightings[i] === false);
  const looked = trace.hops.filter((_, i) => result.sightings[i] !== undefined);
  return { ...result.report, unseen, looked, trace };
}

test.each([
  ['tcp', 'syn-ack'],
  ['icmp', 'echo-reply'],
] as const)('probe - %s is seen at every hop, on the underlay too, and answered (%s)', async (protocol, answer) => {
  const { unseen, looked, ...report } = await probed(A2, protocol);
  expect(report).toMatchObject({ sent: 1, answer, problems: [] });
  expect(unseen).toEqual([]);
  expect(new Set(looked.map(({ kind }) => kind))).toEqual(
    new Set(['link', 'bridge', 'fdb', 'underlay', 'vxlan', 'interface']),
  );
  expect(report.verdict).toBe(`The packet came by every hop, and it was answered (${answer}).`);
});

test('probe - where nobody listens the answer is a reset', async () => {
  expect(await probed(A2, 'tcp', 81)).toMatchObject({ answer: 'reset' });
});

test('probe - of UDP comes by every hop there', async () => {
  const { unseen } = await probed(A2, 'udp');
  expect(unseen.filter(({ leg }) => leg === 'there')).toEqual([]);
});

test('probe - of a balanced address is followed to the candidate of the trace', async () => {
  for (const address of [A2, '10.0.1.13']) {
    const { sent, unseen, answer } = await probed(VIP, 'tcp', 80, address);
    expect({ sent, unseen, answer }).toEqual({ sent: 2, unseen: [], answer: 'syn-ack' });
  }
});

test('probe - what the trace does not know of is found: frames that the wire loses', async () => {
  // Not in any namespace that a reader sees: the port of node2 on the switch.
  onTestFinished(() => void machines.inside('switch', 'ip', 'link', 'set', 'node2', 'master', 'br0'));
  machines.inside('switch', 'ip', 'link', 'set', 'node2', 'nomaster');
  const { trace, unseen, verdict, answer } = await probed(A2, 'tcp');
  expect(trace.complete).toBe(true);
  expect(unseen[0]).toMatchObject({ kind: 'underlay', node: 'node2' });
  expect(answer).toBe('');
  expect(verdict).toMatch(/^The packet was not seen any more at hop \d+ \(eth0 \(\d+\) has 192\.0\.2\.2\)\.$/);
});

test('probe - a rule that drops what is sent is told as the program would be told', async () => {
  const sandbox = machines.sandbox('node1', idOf('a1'));
  onTestFinished(() => void machines.inside(sandbox, 'nft', 'delete', 'table', 'ip', 'foreign'));
  const chain = 'chain deny {\ntype filter hook output priority 0; limit rate 1000/second drop\n}';
  machines.inside(sandbox, 'nft', `table ip foreign {\n${chain}\n}`);
  const { problems, answer } = await probed(A2, 'tcp');
  expect(problems.join()).toMatch(/EPERM/);
  expect(answer).toBe('');
});
