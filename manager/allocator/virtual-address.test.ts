import { expect, test } from 'vitest';
import {
  EndpointMode,
  IPAMConfig,
  NetworkAttachmentConfig,
  type NetworkSpec,
  type Service,
  TaskState,
} from '../../proto/gen/index.js';
import { isWanted } from '../common/tasks.js';
import { Orchestrator } from '../orchestrator/orchestrator.js';
import { TaskReaper } from '../orchestrator/reaper.js';
import { Scheduler } from '../scheduler/scheduler.js';
import { runLoops } from '../testing/loops.js';
import { changeSpec, testCluster, testNetwork, testNode, testService, testTaskSpec } from '../testing/objects.js';
import { Allocator } from './allocator.js';

type Target = readonly [network: string, virtualIp: string];
const at = (...targets: readonly Target[]) =>
  testTaskSpec('web', {
    networks: targets.map(([target, virtualIp]) => NetworkAttachmentConfig.create({ target, virtualIp })),
  });

async function swarm(fields: Partial<NetworkSpec> = {}) {
  const loops = await runLoops(Allocator, Orchestrator, Scheduler, TaskReaper);
  const { store, settle } = loops;
  const [net, more] = [
    testNetwork('net', { ipam: [IPAMConfig.create({ subnet: '10.9.0.0/24' })], ...fields }),
    testNetwork('more', { ipam: [IPAMConfig.create({ subnet: '10.8.0.0/24' })] }),
  ];
  await store.update((draft) => {
    draft.create('cluster', testCluster());
    draft.create('node', testNode('node1'));
    for (const network of [net, more]) draft.create('network', network);
  });
  const add = async (name: string, address = '', network = net.id) => {
    const service = testService(name, 1, { task: at([network, address]) });
    await store.update((draft) => draft.create('service', service));
    await settle();
    return service.id;
  };
  const service = (id: string): Service | undefined => store.view().get('service', id);
  const vips = (id: string) => service(id)?.endpoint.virtualIps.map((vip) => vip.address);
  const move = async (id: string, ...targets: readonly Target[]) => {
    await changeSpec(store, id, (spec) => ({ ...spec, task: at(...targets) }));
    await settle();
  };
  const remove = async (id: string) => {
    await store.update((draft) => draft.remove('service', id));
    await settle();
  };
  const wanted = (id: string) => loops.tasks(id).filter(isWanted);
  return { ...loops, net, more, add, service, vips, move, remove, wanted };
}

test('a virtual address that is asked for is given, and kept over updates and restarts', async () => {
  const { add, vips, service, restart, store, settle } = await swarm();
  const db = await add('db', '10.9.0.10');
  expect(vips(db)).toEqual(['10.9.0.10/24']);
  expect(service(db)?.endpoint.virtualIps[0]?.requested).toBe(true);
  await changeSpec(store, db, (spec) => ({ ...spec, replicated: { replicas: 3 } }));
  await settle();
  await restart();
  expect(vips(db)).toEqual(['10.9.0.10/24']);
});

test('one that is taken is said, with by whom, and given when it is free', async () => {
  const { add, vips, service, remove, wanted } = await swarm();
  const first = await add('first', '10.9.0.10');
  const second = await add('second', '10.9.0.10');
  const problem = 'address 10.9.0.10 of network "net" is taken: it is that of service "first"';
  expect(service(second)).toMatchObject({ problems: [problem], endpoint: { allocated: false, virtualIps: [] } });
  expect(wanted(second)[0]?.status).toMatchObject({ state: TaskState.NEW, error: problem });
  await remove(first);
  expect(vips(second)).toEqual(['10.9.0.10/24']);
  expect(wanted(second)[0]?.status.state).toBe(TaskState.ASSIGNED);
});

test('a network that cannot be made is what its services say, until it can', async () => {
  const { store, settle, add, service, vips, net } = await swarm();
  const late = testNetwork('late', { ipam: [IPAMConfig.create({ subnet: '10.9.0.128/25' })] });
  await store.update((draft) => draft.create('network', late));
  const web = await add('web', '', late.id);
  const why = 'subnet 10.9.0.128/25 overlaps 10.9.0.0/24 of network "net"';
  expect(service(web)?.problems).toEqual([`network "late" is not ready: ${why}`]);
  await store.update((draft) => draft.remove('network', net.id));
  await settle();
  expect(vips(web)).toEqual(['10.9.0.130/25']);
});

test('one of a task is said likewise', async () => {
  const { add, service, wanted } = await swarm();
  const web = await add('web');
  const [task] = wanted(web);
  expect(task?.networks[0]?.addresses).toEqual(['10.9.0.3/24']);
  const second = await add('second', '10.9.0.3');
  expect(service(second)?.problems).toEqual([
    `address 10.9.0.3 of network "net" is taken: it is that of task web.1.${task?.id}`,
  ]);
});

test('a change takes the new address when that is free, and keeps the old one until then', async () => {
  const { add, vips, service, move, remove, net, wanted } = await swarm();
  const other = await add('other', '10.9.0.20');
  const web = await add('web', '10.9.0.10');
  const [task] = wanted(web);
  await move(web, [net.id, '10.9.0.20']);
  expect(vips(web)).toEqual(['10.9.0.10/24']);
  expect(service(web)?.problems[0]).toContain('it is that of service "other"');
  await remove(other);
  expect(vips(web)).toEqual(['10.9.0.20/24']);
  expect(service(web)?.problems).toEqual([]);
  expect(vips(await add('third', '10.9.0.10'))).toEqual(['10.9.0.10/24']);
  expect(wanted(web).map(({ id }) => id)).toEqual([task?.id]);
});

test('a network that is added or removed replaces the tasks, and its virtual address comes or goes', async () => {
  const { add, vips, move, wanted, report, net, more, tasks, store, clock, settle } = await swarm();
  const web = await add('web', '10.9.0.10');
  const update = async (...targets: readonly Target[]) => {
    const [before] = wanted(web);
    await move(web, ...targets);
    for (const task of tasks(web)) if (!isWanted(task)) await report(task, TaskState.SHUTDOWN);
    await clock.advance(10_000);
    await settle();
    const [after] = wanted(web);
    expect(after?.id).not.toBe(before?.id);
    return after?.networks.map(({ networkId }) => networkId);
  };
  expect(await update([net.id, '10.9.0.10'], [more.id, ''])).toEqual([net.id, more.id]);
  expect(vips(web)).toEqual(['10.9.0.10/24', '10.8.0.2/24']);
  expect(await update([more.id, ''])).toEqual([more.id]);
  expect(vips(web)).toEqual(['10.8.0.2/24']);
  expect([...store.view().servicesOfNetwork(net.id)]).toEqual([]);
  expect(vips(await add('next', '10.9.0.10'))).toEqual(['10.9.0.10/24']);
});

test('a service and each task have one address per family, whichever is asked for', async () => {
  const ipam = [IPAMConfig.create({ subnet: '10.9.0.0/24' }), IPAMConfig.create({ subnet: 'fd00:9::/64' })];
  const { add, vips, wanted, service, move, net } = await swarm({ ipv6: true, ipam });
  const web = await add('web', 'fd00:9::beef:1:2:3');
  expect(vips(web)).toEqual(['10.9.0.2/24', 'fd00:9::beef:1:2:3/64']);
  expect(service(web)?.endpoint.virtualIps.map((vip) => vip.requested)).toEqual([false, true]);
  expect(wanted(web)[0]?.networks[0]).toMatchObject({
    addresses: ['10.9.0.3/24', 'fd00:9::2/64'],
    mac: '02:42:0a:09:00:03',
  });
  await move(web, [net.id, 'fd00:9::beef:1:2:4']);
  expect(vips(web)).toEqual(['10.9.0.2/24', 'fd00:9::beef:1:2:4/64']);
});

test('a network without IPv4 gives IPv6 addresses only', async () => {
  const { add, vips, wanted } = await swarm({
    ipv6: true,
    disableIpv4: true,
    ipam: [IPAMConfig.create({ subnet: 'fd00:9::/64' })],
  });
  const web = await add('web');
  expect(vips(web)).toEqual(['fd00:9::2/64']);
  expect(wanted(web)[0]?.networks[0]).toMatchObject({
    addresses: ['fd00:9::3/64'],
    mac: expect.stringMatching(/^06:/),
  });
});

test('dnsrr has no virtual address, and gives back the one it had', async () => {
  const { add, vips, store, settle } = await swarm();
  const web = await add('web', '10.9.0.10');
  await changeSpec(store, web, (spec) => ({ ...spec, endpoint: { mode: EndpointMode.DNSRR, ports: [] } }));
  await settle();
  expect(vips(web)).toEqual([]);
  expect(vips(await add('next', '10.9.0.10'))).toEqual(['10.9.0.10/24']);
});

test('several subnets of one network are used one after another', async () => {
  const ipam = ['10.9.0.0/29', '10.9.1.0/29'].map((subnet) => IPAMConfig.create({ subnet }));
  const { store, settle, net, wanted, clock } = await swarm({ ipam });
  const endpoint = { mode: EndpointMode.DNSRR, ports: [] };
  const web = testService('web', 11, { task: at([net.id, '']), endpoint });
  await store.update((draft) => draft.create('service', web));
  await settle();
  const given = wanted(web.id).flatMap(({ networks }) => networks[0]?.addresses ?? []);
  expect(given.filter((address) => address.startsWith('10.9.0.'))).toHaveLength(5);
  expect(given.filter((address) => address.startsWith('10.9.1.'))).toHaveLength(5);
  expect(wanted(web.id).find(({ status }) => status.state === TaskState.NEW)?.status.error).toBe(
    'no free address in network "net" (10.9.0.0/29: 5 of 5 used, 10.9.1.0/29: 5 of 5 used)',
  );
  await changeSpec(store, web.id, (spec) => ({ ...spec, replicated: { replicas: 10 } }));
  await clock.advance(0);
  await settle();
  expect(wanted(web.id).every(({ status }) => status.state === TaskState.ASSIGNED)).toBe(true);
});
