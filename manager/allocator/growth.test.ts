import { expect, test } from 'vitest';
import { EndpointMode, PortConfig, TaskState } from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import type { Store } from '../store/store.js';
import { allocating, rebuilt } from '../testing/allocating.js';
import { testNetwork, testNode, testService } from '../testing/objects.js';

async function addNodes(store: Store, count: number): Promise<void> {
  const nodes = Array.from({ length: count }, (_, i) => testNode(`node${i}`));
  const { failed } = await store.batch(nodes, (draft, node) => draft.create('node', node));
  expect(failed.size).toBe(0);
}

const nodesOf = (store: Store) => [...store.view().list('node')];
const addressesOf = (store: Store) =>
  nodesOf(store).flatMap(({ attachments }) => attachments.flatMap((a) => a.addresses));

function subnetsOf(store: Store): readonly string[] {
  const ingress = [...store.view().list('network')].find(({ spec }) => spec.ingress);
  return ingress?.ipam.map(({ subnet, gateway }) => `${subnet} by ${gateway}`) ?? [];
}

test('the ingress network gets one more subnet when nodes or tasks have filled it', async () => {
  const { store, settle, books } = await allocating();
  await store.update((draft) => draft.create('network', testNetwork('other')));
  await addNodes(store, 260);
  await settle();
  expect(subnetsOf(store)).toEqual(['10.0.0.0/24 by 10.0.0.1', '10.0.2.0/24 by 10.0.2.1']);
  expect(new Set(addressesOf(store)).size).toBe(260);
  expect(addressesOf(store)).toContain('10.0.2.8/24');
  expect(nodesOf(store).flatMap(({ unallocated }) => unallocated)).toEqual([]);
  // Tasks need it next, and another network gets what follows.
  const ports = [PortConfig.create({ targetPort: 80, publishedPort: 8080 })];
  const service = testService('web', 250, { endpoint: { mode: EndpointMode.DNSRR, ports } });
  await store.update((draft) => draft.create('service', service));
  const tasks = Array.from({ length: 250 }, (_, i) => `task${String(i).padStart(21, '0')}`);
  await store.batch(tasks, (draft, id) => {
    draft.create('task', newTask(service, { id, slot: 1, nodeId: '', desiredState: TaskState.RUNNING, now: 0 }));
  });
  await settle();
  expect(subnetsOf(store).slice(2)).toEqual(['10.0.3.0/24 by 10.0.3.1']);
  expect(tasks.filter((id) => store.view().get('task', id)?.status.state !== TaskState.PENDING)).toEqual([]);
  const next = testNetwork('next');
  await store.update((draft) => draft.create('network', next));
  await settle();
  expect(store.view().get('network', next.id)?.ipam[0]?.subnet).toBe('10.0.4.0/24');
  expect(rebuilt(store)).toEqual(books());
});

test('when the address pools are used up the nodes without an address say so until there is one', async () => {
  // Room for two subnets of five addresses.
  const { store, settle, books } = await allocating({ defaultAddressPools: ['10.9.0.0/28'], subnetSize: 29 });
  await addNodes(store, 12);
  await settle();
  expect(subnetsOf(store)).toEqual(['10.9.0.0/29 by 10.9.0.1', '10.9.0.8/29 by 10.9.0.9']);
  const without = () => nodesOf(store).filter(({ attachments }) => attachments.length === 0);
  const full =
    /^no free address in network "ingress" \(10\.9\.0\.0\/29: 5 of 5 used, 10\.9\.0\.8\/29: 5 of 5 used\): this node/;
  expect(without().map(({ unallocated }) => unallocated.map(({ message }) => full.test(message)))).toEqual([
    [true],
    [true],
  ]);
  const gone = nodesOf(store)
    .filter(({ attachments }) => attachments.length > 0)
    .slice(0, 2);
  await store.update((draft) => {
    for (const { id } of gone) draft.remove('node', id);
  });
  await settle();
  expect(without()).toEqual([]);
  expect(nodesOf(store).flatMap(({ unallocated }) => unallocated)).toEqual([]);
  expect(rebuilt(store)).toEqual(books());
});
