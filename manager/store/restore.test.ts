import { expect, test } from 'vitest';
import { Service, ServiceSpec, Task } from '../../proto/gen/index.js';
import type { MemoryStore } from './memory-store.js';
import type { ReadView } from './store.js';
import { openTestStore } from './testing.js';

const TASKS = 1_500;

/** Chunks of a state with many tasks and the service `new`. */
async function snapshot(): Promise<Uint8Array[]> {
  const store = await openTestStore();
  await store.update((draft) => draft.create('service', named('new')));
  await store.batch(Array(TASKS).keys(), (draft, n) => {
    draft.create(
      'task',
      Task.create({ id: `task${n}`, serviceId: `service${n % 7}`, nodeId: `node${n % 5}`, slot: n }),
    );
  });
  return [...store.snapshot().chunks];
}

const named = (id: string) => Service.create({ id, spec: ServiceSpec.create({ name: id }) });

/** All that a reader can find of the kinds in use. */
function found(view: ReadView) {
  const ids = (objects: Iterable<{ readonly id: string }>) => [...objects].map(({ id }) => id);
  return {
    version: view.version,
    services: ids(view.list('service')),
    byName: ['old', 'new'].map((name) => ids(view.byName('service', name))),
    tasks: view.count('task'),
    listed: ids(view.list('task')).length,
    byService: ids(view.tasksOfService('service3')).length,
    byNode: ids(view.tasksOfNode('node3')).length,
  };
}

async function withOldState(): Promise<MemoryStore> {
  const store = await openTestStore();
  await store.update((draft) => draft.create('service', named('old')));
  return store;
}

test('restore - readers and watchers see the old state, whole, until they see the new one, whole', async () => {
  const chunks = await snapshot();
  expect(chunks.length).toBeGreaterThan(1);
  const store = await withOldState();
  const view = store.view();
  const old = found(view);
  const before = store.watch(new AbortController().signal);
  const during: ReturnType<MemoryStore['watch']>[] = [];
  let turns = 0;
  let isOver = false;
  const others = () => {
    if (isOver) return;
    turns++;
    expect(store.view()).toBe(view);
    setImmediate(others);
  };
  setImmediate(others);
  await store.restore(
    99,
    (async function* () {
      for (const chunk of chunks) {
        yield chunk;
        expect(found(store.view())).toEqual(old);
        during.push(store.watch(new AbortController().signal));
      }
    })(),
  );
  isOver = true;
  expect(found(store.view())).toEqual({
    version: 99,
    services: ['new'],
    byName: [[], ['new']],
    tasks: TASKS,
    listed: TASKS,
    byService: Math.ceil((TASKS - 3) / 7),
    byNode: TASKS / 5,
  });
  // Others have their turn all the time, also while one chunk is taken in.
  expect(turns).toBeGreaterThan(TASKS / 100);
  for (const { snapshot, commits } of [before, ...during]) {
    expect(found(snapshot)).toEqual(old);
    // None of the changes in between is told: a watcher has to look anew.
    await expect(commits[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  }
});

test('restore - a snapshot that is cut short changes nothing', async () => {
  const chunks = await snapshot();
  const store = await withOldState();
  const old = found(store.view());
  const { commits } = store.watch(new AbortController().signal, ['service']);
  const cut = (async function* () {
    yield* chunks.slice(0, 2);
    throw new RangeError('cut');
  })();
  await expect(store.restore(99, cut)).rejects.toThrow('cut');
  expect(found(store.view())).toEqual(old);
  await store.update((draft) => draft.create('service', named('next')));
  const { value } = await commits[Symbol.asyncIterator]().next();
  expect(value).toMatchObject({ version: 2, events: [{ action: 'create', object: { id: 'next' } }] });
});
