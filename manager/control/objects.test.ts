import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  CAConfig,
  ClusterSpec,
  ExternalCA,
  type Filter,
  ListTasksRequest,
  NetworkKeyRing,
  NodeRole,
  NodeState,
  NodeStateName,
  ObjectKind,
  RemoveNodeRequest,
  TaskState,
  TaskStateName,
  UpdateClusterRequest,
  WatchRequest,
} from '../../proto/gen/index.js';
import { isEvent } from '../store/store.js';
import { TablesView } from '../store/view.js';
import { addNode, addTask, context, filter, openControl } from './testing.js';

describe('nodes', () => {
  test('get - by id, beginning of an id, and hostname; two of one hostname are ambiguous', async () => {
    const { store, control } = await openControl();
    const a = await addNode(store, 'twin');
    expect((await control.getNode({ ref: 'twin' }, context)).node.id).toBe(a);
    expect((await control.getNode({ ref: a.slice(0, 15) }, context)).node.id).toBe(a);
    const b = await addNode(store, 'twin', NodeState.DOWN);
    const error = await control.getNode({ ref: 'twin' }, context).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', message: expect.stringContaining('is ambiguous') });
    expect(error).toMatchObject({ message: expect.stringContaining(`${a} (twin, ready)`) });
    expect(error).toMatchObject({ message: expect.stringContaining(`${b} (twin, down)`) });
  });

  test('remove - only when down or forced, and never the last manager', async () => {
    const { store, control } = await openControl();
    const id = await addNode(store, 'worker1');
    const task = await addTask(store, { nodeId: id });
    const remove = (ref: string, force = false) =>
      control.removeNode(RemoveNodeRequest.create({ ref, force }), context);
    await expect(remove('worker1')).rejects.toThrow('node worker1 is not down and cannot be removed');
    await expect(remove('node1')).rejects.toThrow('node node1 is a manager and cannot be removed');
    await expect(remove('node1', true)).rejects.toThrow('it is the last manager of the swarm');
    await remove('worker1', true);
    expect(store.view().get('node', id)).toBeUndefined();
    expect(store.view().get('task', task.id)?.status.state).toBe(TaskState.ORPHANED);
  });

  test('remove - the node is down before its tasks end, so that none of them is placed there again', async () => {
    const { store, control } = await openControl();
    const id = await addNode(store, 'worker1');
    const task = await addTask(store, { nodeId: id });
    const done = new AbortController();
    const { commits } = store.watch(done.signal, ['node', 'task']);
    await control.removeNode(RemoveNodeRequest.create({ ref: 'worker1', force: true }), context);
    const seen: string[] = [];
    for await (const { events } of commits) {
      for (const event of events) {
        if (event.action === 'remove') seen.push(`${event.kind} removed`);
        else if (isEvent(event, 'node')) seen.push(`node ${NodeStateName[event.object.status.state]}`);
        else if (isEvent(event, 'task')) seen.push(`task ${TaskStateName[event.object.status.state]}`);
      }
      if (seen.includes('node removed')) break;
    }
    done.abort();
    expect(seen).toEqual(['node DOWN', 'task ORPHANED', 'node removed']);
    expect(store.view().get('task', task.id)?.nodeId).toBe(id);
  });

  test('update - availability, labels and role; the last manager stays one', async () => {
    const { control } = await openControl();
    const { node } = await control.getNode({ ref: 'node1' }, context);
    expect(node.credentialDigest).toHaveLength(0);
    const spec = { ...node.spec, availability: 2, labels: { zone: 'a' } } as const;
    const request = { id: node.id, version: node.meta.version, spec };
    const { node: after } = await control.updateNode(request, context);
    expect(after.spec).toEqual(spec);
    await expect(control.updateNode(request, context)).rejects.toMatchObject({ code: 'ABORTED' });
    const demoted = { ...request, version: after.meta.version, spec: { ...spec, desiredRole: NodeRole.WORKER } };
    await expect(control.updateNode(demoted, context)).rejects.toThrow('it is the last manager of the swarm');
    expect((await control.listNodes({ filters: [filter('node.label', 'zone=a')] }, context)).nodes).toHaveLength(1);
    expect((await control.listNodes({ filters: [filter('role', 'worker')] }, context)).nodes).toHaveLength(0);
  });
});

describe('tasks', () => {
  test('list - by service, node and desired state; get - by full name', async () => {
    const { store, control, create } = await openControl();
    const service = await create();
    const node = await addNode(store, 'worker1');
    const task = await addTask(store, { serviceId: service.id, serviceName: 'web', nodeId: node });
    await addTask(store, { serviceId: service.id, serviceName: 'web', desiredState: TaskState.SHUTDOWN });
    const list = async (...filters: Filter[]) =>
      (await control.listTasks(ListTasksRequest.create({ filters }), context)).tasks.map((t) => t.id);
    expect(await list(filter('service', 'web'))).toHaveLength(2);
    expect(await list(filter('service', service.id), filter('desired-state', 'running'))).toEqual([task.id]);
    expect(await list(filter('node', 'worker1'))).toEqual([task.id]);
    expect((await control.getTask({ ref: `web.1.${task.id}` }, context)).task.id).toBe(task.id);
  });
});

describe('cluster', () => {
  test('get - without keys; update - rotates a token', async () => {
    const { store, control } = await openControl();
    const keys = [{ key: Buffer.alloc(32, 7), time: 1, createdAt: 0 }];
    await store.update((draft) =>
      draft.update('cluster', {
        ...draft.cluster(),
        networkKeys: NetworkKeyRing.create({ clock: 1, keys, sending: 1 }),
      }),
    );
    const { cluster } = await control.getCluster({}, context);
    expect(cluster.rootCa.key).toHaveLength(0);
    const shown = [{ key: new Uint8Array(0), time: 1, createdAt: 0 }];
    expect(cluster.networkKeys).toEqual(NetworkKeyRing.create({ clock: 1, keys: shown, sending: 1 }));
    expect(cluster.spec).toMatchObject({ taskHistoryLimit: 5, dispatcherHeartbeat: 5e9 });
    const request = UpdateClusterRequest.create({
      version: cluster.meta.version,
      spec: cluster.spec,
      rotateWorkerToken: true,
    });
    const after = (await control.updateCluster(request, context)).cluster;
    expect(after.joinTokens.manager).toBe(cluster.joinTokens.manager);
    expect(after.joinTokens.worker).not.toBe(cluster.joinTokens.worker);
    await expect(control.updateCluster(request, context)).rejects.toMatchObject({ code: 'ABORTED' });
  });

  test('update - retires the keys of encrypted networks that there are, and makes none: their loop does', async () => {
    const { store, control } = await openControl();
    const keys = [1, 2].map((time) => ({ key: Buffer.alloc(32, time), time, createdAt: 0 }));
    const ring = NetworkKeyRing.create({ clock: 2, keys, sending: 1 });
    await store.update((draft) => draft.update('cluster', { ...draft.cluster(), networkKeys: ring }));
    const { spec, meta } = store.view().cluster();
    const request = UpdateClusterRequest.create({ version: meta.version, spec, rotateNetworkKeys: true });
    await control.updateCluster(request, context);
    expect(store.view().cluster().networkKeys).toEqual({ ...ring, retired: 2 });
  });

  test('update - a heartbeat that is too short is refused', async () => {
    const { control } = await openControl();
    const { cluster } = await control.getCluster({}, context);
    const spec = ClusterSpec.create({ ...cluster.spec, dispatcherHeartbeat: 1e6 });
    const request = UpdateClusterRequest.create({ version: cluster.meta.version, spec });
    await expect(control.updateCluster(request, context)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('watch', () => {
  test('what is there first, then changes, of one service only', async () => {
    const { store, control, create } = await openControl();
    const web = await create();
    await create({ name: 'other' });
    const end = new AbortController();
    const request = WatchRequest.create({ serviceId: web.id });
    const messages = control.watch(request, { ...context, signal: end.signal })[Symbol.asyncIterator]();
    const first = (await messages.next()).value;
    expect(first).toMatchObject({ synced: true, events: [{ action: 0, service: { id: web.id } }] });
    const change = messages.next();
    await addTask(store, { serviceId: 'other' });
    const task = await addTask(store, { serviceId: web.id });
    expect((await change).value).toMatchObject({ synced: false, events: [{ action: 1, task: { id: task.id } }] });
    end.abort();
    expect(await messages.next()).toMatchObject({ done: true });
  });
});

test('watch - of one service looks at no other tasks', async () => {
  const { store, control, create } = await openControl();
  const web = await create();
  const task = await addTask(store, { serviceId: web.id });
  const other = await addTask(store, { serviceId: 'other' });
  const looked = vi.spyOn(TablesView.prototype, 'list');
  onTestFinished(() => looked.mockRestore());
  const request = WatchRequest.create({ serviceId: web.id, kinds: [ObjectKind.TASK, ObjectKind.SERVICE] });
  const end = new AbortController();
  const messages = control.watch(request, { ...context, signal: end.signal })[Symbol.asyncIterator]();
  const { events } = (await messages.next()).value;
  end.abort();
  expect(events).toMatchObject([{ task: { id: task.id } }, { service: { id: web.id } }]);
  expect(JSON.stringify(events)).not.toContain(other.id);
  expect(looked).not.toHaveBeenCalled();
});

test.each<[Partial<ClusterSpec>, string]>([
  [{ defaultLogDriver: { name: 'syslog', options: {} } }, 'a log driver for all services is not supported'],
  [
    { ca: { ...CAConfig.create({ nodeCertificateExpiry: 90 * 86_400e9 }), externalCas: [ExternalCA.create()] } },
    'external',
  ],
  [{ ca: CAConfig.create({ nodeCertificateExpiry: 3600e9 }) }, 'nodes have no certificates'],
])('cluster - %j is refused: it would be passed over', async (fields, message) => {
  const { control } = await openControl();
  const { cluster } = await control.getCluster({}, context);
  const spec = { ...cluster.spec, ...fields };
  const request = UpdateClusterRequest.create({ version: cluster.meta.version, spec });
  await expect(control.updateCluster(request, context)).rejects.toMatchObject({
    code: 'UNIMPLEMENTED',
    message: expect.stringContaining(message),
  });
});
