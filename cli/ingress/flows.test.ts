import { describe, expect, test } from 'vitest';
import { failedPrecondition, notFound } from '../../lib/errors.js';
import {
  BackendTraffic,
  IngressAnswer,
  Node,
  NodeDescription,
  PortConfig,
  PortStatus,
  PortTraffic,
  PublishMode,
  Service,
  ServiceSpec,
  Task,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { publishedText } from '../../proto/ports.js';
import { byTask, flowsOf, joined, stateOf, totalOf } from './flows.js';
import { choose, directTasks, publicationsOf } from './publications.js';
import type { Reading } from './reading.js';

const port = PortConfig.create({ publishedPort: 8080, targetPort: 80 });
const service = Service.create({
  id: 'serviceid1',
  spec: ServiceSpec.create({ name: 'web' }),
  endpoint: { ...Service.create().endpoint, ports: [port] },
});
const web = { service, port };
const nodes = ['n1', 'n2'].map((id) =>
  Node.create({ id, description: NodeDescription.create({ hostname: `host-${id}` }) }),
);
const task = (id: string, slot: number) =>
  Task.create({
    id,
    slot,
    serviceId: service.id,
    serviceName: 'web',
    desiredState: TaskState.RUNNING,
    status: TaskStatus.create({ state: TaskState.RUNNING }),
  });

interface Counted {
  readonly connections: number;
  readonly bytesIn: number;
  readonly weight?: number;
}

/** One node's answer, by task. */
const answer = (seconds: number, tasks: Readonly<Record<string, Counted>>) =>
  IngressAnswer.create({
    readAtNs: seconds * 1e9,
    ports: [
      PortTraffic.create({
        serviceId: service.id,
        published: 8080,
        backends: Object.entries(tasks).map(([taskId, { weight = 1, ...counts }]) =>
          BackendTraffic.create({ taskId, taskName: taskId, address: `10.0.0.${taskId}`, weight, ...counts }),
        ),
      }),
    ],
  });
const reading = (answers: Readonly<Record<string, IngressAnswer>>): Reading => ({
  answers: new Map(Object.entries(answers)),
  silent: [],
});

describe('flows', () => {
  const before = reading({ n1: answer(10, { 1: { connections: 100, bytesIn: 1000 } }) });
  const now = reading({
    n1: answer(12, { 1: { connections: 110, bytesIn: 500 }, 2: { connections: 7, bytesIn: 70, weight: 0 } }),
    n2: answer(2, { 1: { connections: 3, bytesIn: 30 } }),
  });
  const flows = flowsOf(web, nodes, [], before, now);

  test('rates by the node’s own clock; counts that began anew are all of this time; who was not seen before has none', () => {
    expect(flows.map(({ node, taskId, rates }) => [node.name, taskId, rates.connections, rates.bytesIn])).toEqual([
      ['host-n1', '1', 5, 250],
      ['host-n1', '2', 0, 0],
      ['host-n2', '1', 0, 0],
    ]);
  });

  test('a task over all nodes', () => {
    const [first = [], second = []] = byTask(flows).values();
    expect(totalOf(first)).toMatchObject({ total: 113, connections: 5 });
    expect([stateOf(first), stateOf(second)]).toEqual(['serving', 'draining']);
  });

  test('a task with an address of each family is one row at each node', () => {
    const both = flows.flatMap((flow) => [flow, { ...flow, address: `fd00::${flow.taskId}`, weight: 1 }]);
    const rows = joined(both).map(({ node, taskId, address, weight, connections, rates }) =>
      [node.id, taskId, address, weight, connections, rates.connections].join(' '),
    );
    expect(rows).toEqual([
      'n1 1 10.0.0.1, fd00::1 1 220 10',
      'n1 2 10.0.0.2, fd00::2 1 14 0',
      'n2 1 10.0.0.1, fd00::1 1 6 0',
    ]);
    expect(joined(flows)).toEqual(flows);
  });

  test('a task that runs, and that a node sends nothing to, is shown there', () => {
    const shown = flowsOf(web, nodes, [task('1', 1), task('2', 2), task('3', 3)], before, now);
    expect(
      shown.filter(({ state }) => state === 'absent').map(({ node, taskName }) => `${node.id} ${taskName}`),
    ).toEqual(['n1 web.3', 'n2 web.2', 'n2 web.3']);
    expect(
      flowsOf(web, nodes, [Task.create({ ...task('3', 3), desiredState: TaskState.SHUTDOWN })], before, now),
    ).toEqual(flows);
  });

  test('a node that has not answered has no flows', () => {
    expect(flowsOf(web, nodes, [task('1', 1)], before, before).map(({ node }) => node.id)).toEqual(['n1']);
  });
});

describe('publications', () => {
  const udp = PortConfig.create({ publishedPort: 8080, targetPort: 53, protocol: 1, hostIp: 'fd00::1' });
  const https = PortConfig.create({ publishedPort: 443, targetPort: 443, hostIp: '192.0.2.10' });
  const host = { publishMode: PublishMode.HOST };
  const range = PortConfig.create({ ...host, publishedPort: 9080, publishedLast: 9089, targetPort: 80 });
  const open = PortConfig.create({ ...host, targetPort: 81 });
  const silent = Service.create({ id: 'x', spec: ServiceSpec.create({ name: 'x' }) });
  const direct = Service.create({
    id: 'directid',
    spec: ServiceSpec.create({ name: 'direct' }),
    endpoint: { ...service.endpoint, ports: [open, range] },
  });
  const services = [{ ...service, endpoint: { ...service.endpoint, ports: [udp, port, https] } }, direct, silent];
  const all = publicationsOf(services);
  const find = async (ref: string) => {
    if (ref === 'se') throw failedPrecondition('service "se" is ambiguous');
    const found = services.find(({ id, spec }) => spec.name === ref || id.startsWith(ref));
    if (!found) throw notFound(`no such service: ${ref}`);
    return found;
  };
  const web = ['192.0.2.10:443/tcp', '8080/tcp', '[fd00::1]:8080/udp'];

  test.each<[string, string[]]>([
    ['web', web],
    ['servi', web],
    ['8080', ['8080/tcp', '[fd00::1]:8080/udp']],
    ['8080/udp', ['[fd00::1]:8080/udp']],
    ['[fd00::1]:8080/udp', ['[fd00::1]:8080/udp']],
    ['192.0.2.10:443/tcp', ['192.0.2.10:443/tcp']],
    ['9085', ['9080-9089/tcp']],
    ['9080-9089/tcp', ['9080-9089/tcp']],
    ['any/tcp', ['any/tcp']],
    ['direct', ['9080-9089/tcp', 'any/tcp']],
  ])('%s', async (ref, found) => {
    expect((await choose(all, ref, find)).map((one) => publishedText(one.port))).toEqual(found);
  });

  test.each([
    ['80', 'no service publishes port 80'],
    ['9090', 'no service publishes port 9090'],
    ['8080/sctp', 'no service publishes port 8080/sctp'],
    ['wep', 'no such service or published port: wep'],
    ['x', 'service x publishes no port'],
    ['se', 'service "se" is ambiguous'],
  ])('%s is refused', async (ref, words) => {
    await expect(choose(all, ref, find)).rejects.toThrow(words);
  });

  test('tasks that have a port of a range, or one that is left open', () => {
    const holder = (id: string, ...ports: PortConfig[]) => ({
      ...task(id, 1),
      serviceId: direct.id,
      status: TaskStatus.create({ state: TaskState.RUNNING, portStatus: PortStatus.create({ ports }) }),
    });
    const tasks = [
      holder('1', { ...range, publishedPort: 9080, publishedLast: 0 }, { ...open, publishedPort: 32768 }),
      holder('2', { ...range, publishedPort: 9081, publishedLast: 0 }),
    ];
    expect([open, range].map((one) => directTasks({ service: direct, port: one }, tasks))).toEqual([1, 2]);
  });
});
