import { expect, test } from 'vitest';
import { newId } from '../../lib/ids.js';
import {
  AttachmentSpec,
  NetworkAttachmentConfig,
  PortConfig,
  type Service,
  Task,
  TaskSpec,
  TaskState,
} from '../../proto/gen/index.js';
import { allocating, rebuilt } from '../testing/allocating.js';
import { testNetwork, testNode, testService, testTaskSpec } from '../testing/objects.js';

const ROUNDS = 100;
const NETWORKS = 10;
const SERVICES = 40;
const ATTACHMENTS = 50;

test('nothing is left of 10,000 networks, services and attachments that came and went', async () => {
  const { store, settle, books } = await allocating();
  const node = testNode('node1');
  await store.update((draft) => draft.create('node', node));
  await settle();
  const before = books();
  const attachment = (target: string) =>
    Task.create({
      id: newId(),
      nodeId: node.id,
      desiredState: TaskState.RUNNING,
      spec: TaskSpec.create({
        networks: [NetworkAttachmentConfig.create({ target })],
        attachment: AttachmentSpec.create({ containerId: newId(), containerName: 'box' }),
      }),
    });
  const service = (name: string, target: string): Service => {
    const task = testTaskSpec('web', { networks: [NetworkAttachmentConfig.create({ target })] });
    return testService(name, 1, { task, endpoint: { mode: 0, ports: [PortConfig.create({ targetPort: 80 })] } });
  };
  for (let round = 0; round < ROUNDS; round++) {
    const networks = Array.from({ length: NETWORKS }, () => testNetwork(`n${newId()}`, { ipv6: true }));
    const id = (i: number) => networks[i % NETWORKS]?.id ?? '';
    const services = Array.from({ length: SERVICES }, (_, i) => service(`s${newId()}`, id(i)));
    const tasks = Array.from({ length: ATTACHMENTS }, (_, i) => attachment(id(i)));
    await store.update((draft) => {
      for (const network of networks) draft.create('network', network);
      for (const made of services) draft.create('service', made);
      for (const task of tasks) draft.create('task', task);
    });
    await settle();
    const view = store.view();
    expect(services.filter(({ id }) => !view.get('service', id)?.endpoint.allocated)).toEqual([]);
    expect(tasks.filter(({ id }) => view.get('task', id)?.status.state !== TaskState.ASSIGNED)).toEqual([]);
    await store.update((draft) => {
      for (const task of tasks) draft.remove('task', task.id);
      for (const made of services) draft.remove('service', made.id);
      for (const network of networks) draft.remove('network', network.id);
    });
    await settle();
  }
  expect(books()).toEqual(before);
  expect(books()).toEqual(rebuilt(store));
  // Ports too: the first that is given is the first of all.
  const last = service('last', '');
  await store.update((draft) => draft.create('service', { ...last, spec: { ...last.spec, task: TaskSpec.create() } }));
  await settle();
  expect(store.view().get('service', last.id)?.endpoint.ports[0]?.publishedPort).toBe(30000);
}, 180_000);
