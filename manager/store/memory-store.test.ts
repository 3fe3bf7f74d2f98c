import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import {
  NetworkAttachment,
  NetworkAttachmentConfig,
  Node,
  NodeDescription,
  Service,
  ServiceSpec,
  Task,
  TaskSpec,
} from '../../proto/gen/index.js';
import { MAX_CHANGES } from './store.js';
import { openTestStore } from './testing.js';

const service = (name: string) => Service.create({ id: newId(), spec: ServiceSpec.create({ name }) });

test('update - sets version and timestamps, and shows the object after the commit', async () => {
  const clock = new ManualClock(5_000);
  const store = await openTestStore({ clock });
  const before = store.view();
  const { id } = await store.update((draft) => draft.create('service', service('web')));
  const created = store.view().get('service', id);
  expect(created?.meta).toEqual({ version: 1, createdAt: 5_000, updatedAt: 5_000, changeId: '' });
  await clock.advance(1_000);
  await store.update((draft) => {
    const now = draft.get('service', id) ?? service('');
    draft.update('service', { ...now, problems: ['none'] });
    expect(draft.get('service', id)?.problems).toEqual(['none']);
  });
  expect(store.view().get('service', id)?.meta).toEqual({
    version: 2,
    createdAt: 5_000,
    updatedAt: 6_000,
    changeId: '',
  });
  expect(before.get('service', id)).toBeUndefined();
  expect(created?.problems).toEqual([]);
});

test('update - the id of a call stays with what it wrote, alone makes no change, and is told of a removal', async () => {
  const store = await openTestStore();
  const shared = [service('web'), service('db')] as const;
  const [web, db] = shared;
  // Both are in one entry: each has its own id.
  await Promise.all([
    store.update((draft) => draft.create('service', web), 'call1'),
    store.update((draft) => draft.create('service', db)),
  ]);
  const stored = (id: string) => store.view().get('service', id) ?? service('');
  expect([stored(web.id).meta.changeId, stored(db.id).meta.changeId]).toEqual(['call1', '']);
  await store.update((draft) => draft.update('service', { ...stored(web.id), problems: ['none'] }));
  expect(stored(web.id).meta).toMatchObject({ version: 2, changeId: 'call1' });
  await store.update((draft) => draft.update('service', stored(web.id)), 'call2');
  expect(stored(web.id).meta).toMatchObject({ version: 2, changeId: 'call1' });
  const stop = new AbortController();
  const { commits } = store.watch(stop.signal);
  await store.update((draft) => draft.remove('service', web.id), 'call3');
  for await (const { events } of commits) {
    expect(events).toMatchObject([{ action: 'remove', object: { id: web.id, meta: { changeId: 'call3' } } }]);
    stop.abort();
  }
  expect.assertions(4);
});

test('update - a callback that throws leaves nothing behind', async () => {
  const store = await openTestStore();
  const failing = store.update((draft) => {
    draft.create('service', service('web'));
    throw new RangeError('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(store.view().count('service')).toBe(0);
  expect(store.view().version).toBe(0);
});

test('update - an equal object proposes nothing', async () => {
  const store = await openTestStore();
  const { id } = await store.update((draft) =>
    draft.create('service', {
      ...service('web'),
      spec: ServiceSpec.create({
        name: 'web',
        update: { parallelism: 1, delay: 0, failureAction: 0, monitor: undefined, maxFailureRatio: 0.1, order: 0 },
      }),
    }),
  );
  const now = store.view().get('service', id) ?? service('');
  await store.update((draft) => {
    const update = now.spec.update && { ...now.spec.update, maxFailureRatio: 0.1 };
    draft.update('service', { ...now, spec: { ...now.spec, update } });
  });
  expect(store.view().version).toBe(1);
});

test('update - a stale version is ABORTED', async () => {
  const store = await openTestStore();
  const { id } = await store.update((draft) => draft.create('service', service('web')));
  const old = store.view().get('service', id) ?? service('');
  await store.update((draft) => draft.update('service', { ...old, problems: ['a'] }));
  await expect(store.update((draft) => draft.update('service', { ...old, problems: ['b'] }))).rejects.toMatchObject({
    code: 'ABORTED',
    message: 'service web has been changed by somebody else in the meantime',
  });
});

test('names - unique per kind, free again after a rename or removal', async () => {
  const store = await openTestStore();
  const web = await store.update((draft) => draft.create('service', service('web')));
  await expect(store.update((draft) => draft.create('service', service('web')))).rejects.toMatchObject({
    code: 'ALREADY_EXISTS',
    message: `a service named "web" already exists (${web.id})`,
  });
  await store.update((draft) => {
    draft.remove('service', web.id);
    draft.create('service', service('web'));
  });
  expect(store.view().byName('service', 'web')).toHaveLength(1);
  expect(store.view().byName('service', 'we')).toHaveLength(0);
});

test('names - nodes may share a hostname', async () => {
  const store = await openTestStore();
  const node = () => Node.create({ id: newId(), description: NodeDescription.create({ hostname: 'a' }) });
  await store.update((draft) => {
    draft.create('node', node());
    draft.create('node', node());
  });
  expect(store.view().byName('node', 'a')).toHaveLength(2);
});

test('indexes - tasks by service, slot, node and network follow updates', async () => {
  const store = await openTestStore();
  const task = Task.create({
    id: newId(),
    serviceId: 's1',
    slot: 1,
    spec: TaskSpec.create({ networks: [NetworkAttachmentConfig.create({ target: 'n1' })] }),
  });
  await store.update((draft) => {
    draft.create('task', task);
    draft.create('task', { ...task, id: newId(), slot: 10 });
  });
  const ids = (tasks: Iterable<Task>) => [...tasks].map((t) => t.id);
  expect(ids(store.view().tasksOfSlot('s1', 1))).toEqual([task.id]);
  expect(ids(store.view().tasksOfService('s1'))).toHaveLength(2);
  expect(ids(store.view().tasksOfNetwork('n1'))).toHaveLength(2);
  await store.update((draft) => {
    const now = draft.get('task', task.id) ?? task;
    draft.update('task', {
      ...now,
      nodeId: 'node',
      slot: 2,
      networks: [NetworkAttachment.create({ networkId: 'n1' }), NetworkAttachment.create({ networkId: 'n2' })],
    });
  });
  expect(ids(store.view().tasksOfSlot('s1', 1))).toEqual([]);
  expect(ids(store.view().tasksOfSlot('s1', 2))).toEqual([task.id]);
  expect(ids(store.view().tasksOfNode('node'))).toEqual([task.id]);
  expect(ids(store.view().tasksOfNetwork('n2'))).toEqual([task.id]);
  expect(store.view().byIdPrefix('task', task.id.slice(0, 20), 5)).toHaveLength(1);
});

test('draft - writing while iterating goes on over the state the iteration began on', async () => {
  const store = await openTestStore();
  await store.update((draft) => {
    for (let i = 0; i < 50; i++) draft.create('service', service(`s${i}`));
  });
  await store.update((draft) => {
    for (const s of draft.list('service')) {
      draft.remove('service', s.id);
      draft.create('service', { ...s, id: newId() });
    }
  });
  expect(store.view().count('service')).toBe(50);
});

test('limits - a transaction of too many or too large changes is RESOURCE_EXHAUSTED', async () => {
  const store = await openTestStore();
  const many = store.update((draft) => {
    for (let i = 0; i <= MAX_CHANGES; i++) draft.create('service', service(`s${i}`));
  });
  await expect(many).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  const large = store.update((draft) =>
    draft.create('service', { ...service('s'), problems: ['x'.repeat(2 * 2 ** 20)] }),
  );
  await expect(large).rejects.toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  expect(store.view().count('service')).toBe(0);
});

test('batch - splits what does not fit in one transaction and reports what failed', async () => {
  const store = await openTestStore();
  const names = Array.from({ length: 501 }, (_, i) => (i === 250 ? 's1' : `s${i}`));
  const { failed } = await store.batch(names.map(service), (draft, s) => draft.create('service', s));
  expect(store.view().count('service')).toBe(500);
  expect([...failed.values()]).toMatchObject([{ code: 'ALREADY_EXISTS' }]);
  expect(store.view().version).toBe(3);
});

test('batch - the changes of an item that fails are taken back', async () => {
  const store = await openTestStore();
  const { failed } = await store.batch(['a', 'b'], (draft, name) => {
    draft.create('service', service(name));
    if (name === 'a') draft.remove('service', 'none');
  });
  expect([...failed.keys()]).toEqual(['a']);
  expect([...store.view().list('service')].map((s) => s.spec.name)).toEqual(['b']);
});

test('batch - an item that alone is too large fails, the others go on', async () => {
  const store = await openTestStore();
  const sizes = [1, MAX_CHANGES + 1, 1];
  const { failed } = await store.batch(sizes.entries(), (draft, [index, size]) => {
    for (let i = 0; i < size; i++) draft.create('service', service(`s${index}-${i}`));
  });
  expect([...failed.values()]).toMatchObject([{ code: 'RESOURCE_EXHAUSTED' }]);
  expect(store.view().count('service')).toBe(2);
});

test('watch - a snapshot and every matching change after it, until the signal', async () => {
  const store = await openTestStore();
  await store.update((draft) => draft.create('service', service('a')));
  const controller = new AbortController();
  const watch = store.watch(controller.signal, ['service']);
  const b = await store.update((draft) => draft.create('service', service('b')));
  await store.update((draft) => draft.create('node', Node.create({ id: 'n' })));
  await store.update((draft) => draft.remove('service', b.id));
  expect([...watch.snapshot.list('service')].map((s) => s.spec.name)).toEqual(['a']);
  const seen: string[] = [];
  for await (const { version, events } of watch.commits) {
    seen.push(...events.map((e) => `${version} ${e.action} ${e.kind}`));
    if (seen.length === 2) controller.abort();
  }
  expect(seen).toEqual(['2 create service', '4 remove service']);
});

test('stop - ends watches and refuses writes', async () => {
  const store = await openTestStore();
  const { commits } = store.watch(new AbortController().signal);
  await store.stop();
  for await (const commit of commits) expect(commit).toBeUndefined();
  await expect(store.update((draft) => draft.create('service', service('a')))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  });
});
