import { describe, expect, test } from 'vitest';
import { AttachmentSpec, IPAMConfig, NetworkSpec, NodeState, TaskSpec, TaskState } from '../../proto/gen/index.js';
import { VNI_OPTION } from '../common/overlay-options.js';
import { addNode, addTask, context, openControl } from './testing.js';

const spec = (name: string, ipam: Partial<IPAMConfig> = {}, fields: Partial<NetworkSpec> = {}) =>
  NetworkSpec.create({ name, ipam: Object.keys(ipam).length > 0 ? [IPAMConfig.create(ipam)] : [], ...fields });

describe('create', () => {
  test.each([
    [{ subnet: '10.0.0.128/25' }, 'subnet 10.0.0.128/25 overlaps 10.0.0.0/24 of network "ingress"'],
    [{ subnet: '10.9.0.0/16' }, 'subnet 10.9.0.0/16 overlaps 10.9.1.0/24 of network "taken"'],
    [{ subnet: '172.18.4.0/24' }, "subnet 172.18.4.0/24 overlaps 172.18.0.0/16 of the nodes' gateway bridge"],
    [{ subnet: '203.0.113.0/24' }, 'subnet 203.0.113.0/24 overlaps 203.0.113.1, the address of node node1'],
  ])('%j collides', async (ipam, message) => {
    const { store, control } = await openControl();
    await store.update((draft) => {
      for (const network of draft.list('network')) {
        // As the allocator has chosen it.
        if (network.spec.ingress)
          draft.update('network', { ...network, ipam: [IPAMConfig.create({ subnet: '10.0.0.0/24' })] });
      }
    });
    await control.createNetwork({ spec: spec('taken', { subnet: '10.9.1.0/24' }) }, context);
    await expect(control.createNetwork({ spec: spec('n', ipam) }, context)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining(message),
    });
  });

  test('a second ingress network, a name or a VNI that is taken, are refused', async () => {
    const { control } = await openControl();
    const create = (...asked: Parameters<typeof spec>) => control.createNetwork({ spec: spec(...asked) }, context);
    await expect(create('edge', {}, { ingress: true })).rejects.toThrow(
      'the swarm has an ingress network already: "ingress"',
    );
    await create('back', {}, { driverOptions: { [VNI_OPTION]: '5000' } });
    await expect(create('back')).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      message: expect.stringContaining('a network named "back" already exists'),
    });
    await expect(create('more', {}, { driverOptions: { [VNI_OPTION]: '5000' } })).rejects.toThrow(
      'VNI 5000 is used by network "back"',
    );
  });
});

describe('remove', () => {
  test('refused while services use it', async () => {
    const { store, control, create } = await openControl();
    const { network } = await control.createNetwork({ spec: spec('back') }, context);
    const service = await create({ networks: ['back'] });
    await expect(control.removeNetwork({ ref: 'back' }, context)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: 'network back is in use by service web',
    });
    await control.removeService({ ref: service.id }, context);
    await control.removeNetwork({ ref: network.id.slice(0, 12) }, context);
    expect(store.view().get('network', network.id)).toBeUndefined();
  });

  test('the ingress network is in use while anything publishes through it', async () => {
    const { control, create } = await openControl();
    await create({ ports: [{ publishedPort: 80 }] });
    await expect(control.removeNetwork({ ref: 'ingress' }, context)).rejects.toThrow('is in use by service web');
    await control.removeService({ ref: 'web' }, context);
    await control.removeNetwork({ ref: 'ingress' }, context);
    await expect(create({ ports: [{ publishedPort: 80 }] })).rejects.toThrow('the swarm has no ingress network');
  });

  test('refused while a container is in it, with its node', async () => {
    const { store, control } = await openControl();
    const { network } = await control.createNetwork({ spec: spec('back', {}, { attachable: true }) }, context);
    const nodeId = await addNode(store, 'worker1');
    await addTask(store, attachment(network.id, nodeId));
    await expect(control.removeNetwork({ ref: 'back' }, context)).rejects.toThrow(
      'network back is in use by container box on worker1',
    );
  });

  test('waits for tasks that are to stop, and names those that do not', async () => {
    const { store, clock, control } = await openControl();
    const { network } = await control.createNetwork({ spec: spec('back') }, context);
    const nodeId = await addNode(store, 'worker1');
    const fields = { ...inNetwork(network.id), nodeId, serviceId: 'gone', serviceName: 'web' };
    const task = await addTask(store, fields);
    const first = control.removeNetwork({ ref: 'back' }, context).catch((error: unknown) => error);
    await clock.advance(20_000);
    expect(await first).toMatchObject({
      message: `network back is still in use by task web.1.${task.id} on worker1, which is to stop and has not`,
    });
    const second = control.removeNetwork({ ref: 'back' }, context);
    await store.update((draft) => {
      const stored = draft.get('task', task.id);
      if (stored) draft.update('task', { ...stored, status: { ...stored.status, state: TaskState.SHUTDOWN } });
    });
    await second;
    expect(store.view().get('network', network.id)).toBeUndefined();
  });

  test('does not wait for a node that is down', async () => {
    const { store, control } = await openControl();
    const { network } = await control.createNetwork({ spec: spec('back') }, context);
    const nodeId = await addNode(store, 'worker1', NodeState.DOWN);
    await addTask(store, { ...inNetwork(network.id), nodeId, serviceId: 'gone', serviceName: 'web' });
    await expect(control.removeNetwork({ ref: 'back' }, context)).rejects.toThrow('on worker1 (down)');
  });
});

test('get - who has endpoints in it, and where; services with their virtual addresses', async () => {
  const { store, control, create } = await openControl();
  const { network } = await control.createNetwork({ spec: spec('back', {}, { attachable: true }) }, context);
  const service = await create({ networks: ['back'] });
  await store.update((draft) => {
    const stored = draft.get('service', service.id);
    const virtualIps = [{ networkId: network.id, address: '10.0.1.2/24', requested: false }];
    if (stored) draft.update('service', { ...stored, endpoint: { ...stored.endpoint, virtualIps } });
  });
  const [one, two] = [await addNode(store, 'worker1'), await addNode(store, 'worker2')];
  const task = await addTask(store, {
    ...inNetwork(network.id, '10.0.1.3/24'),
    nodeId: one,
    serviceId: service.id,
    serviceName: 'web',
  });
  await addTask(store, attachment(network.id, two));
  await addTask(store, { ...inNetwork(network.id), nodeId: one, desiredState: TaskState.SHUTDOWN }, TaskState.FAILED);
  const { users, peers, services } = await control.getNetwork({ ref: 'back' }, context);
  expect(users).toMatchObject([
    { taskName: 'box', containerId: 'a'.repeat(64), serviceId: '', nodeId: two, nodeHostname: 'worker2' },
    {
      taskName: `web.1.${task.id}`,
      containerId: '',
      serviceId: service.id,
      attachment: { addresses: ['10.0.1.3/24'] },
    },
  ]);
  expect(peers).toMatchObject([
    { nodeId: one, hostname: 'worker1', endpoints: 1 },
    { nodeId: two, hostname: 'worker2', endpoints: 1 },
  ]);
  expect(services).toMatchObject([{ id: service.id, name: 'web', virtualIps: ['10.0.1.2/24'] }]);
});

function inNetwork(networkId: string, address = '10.0.1.9/24') {
  const networks = [{ networkId, networkName: 'back', addresses: [address], mac: '', aliases: [], driverOptions: {} }];
  return { networks };
}

function attachment(networkId: string, nodeId: string) {
  const box = AttachmentSpec.create({ containerId: 'a'.repeat(64), containerName: 'box' });
  return { ...inNetwork(networkId, '10.0.1.4/24'), nodeId, slot: 0, spec: TaskSpec.create({ attachment: box }) };
}
