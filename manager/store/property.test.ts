import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import { seeded } from '../../lib/seeded-random.js';
import {
  NetworkAttachment,
  NetworkAttachmentConfig,
  Service,
  ServiceSpec,
  Task,
  TaskSpec,
} from '../../proto/gen/index.js';
import { MemoryStore } from './memory-store.js';
import { type Commit, KINDS, type ReadView, type WriteView } from './store.js';
import { openTestStore } from './testing.js';
import { VolatileLog } from './volatile-log.js';

/** A log in memory that keeps its entries, so that they can be applied elsewhere. */
class KeptLog extends VolatileLog {
  readonly entries: Uint8Array[] = [];

  override async propose(payload: Uint8Array): Promise<number> {
    this.entries.push(payload);
    return super.propose(payload);
  }
}

function randomChange(next: (below: number) => number, draft: WriteView): void {
  const id = `t${next(40)}`;
  const existing = draft.get('task', id);
  if (next(12) === 0) {
    const name = `s${next(6)}`;
    const [holder] = draft.byName('service', name);
    if (holder) draft.remove('service', holder.id);
    else draft.create('service', Service.create({ id: `id-${name}-${next(99)}`, spec: ServiceSpec.create({ name }) }));
    return;
  }
  if (existing && next(3) === 0) {
    draft.remove('task', id);
    return;
  }
  const fields = {
    serviceId: `s${next(4)}`,
    slot: next(12),
    nodeId: next(3) === 0 ? '' : `n${next(5)}`,
    networks: Array.from({ length: next(3) }, () => NetworkAttachment.create({ networkId: `net${next(4)}` })),
    spec: TaskSpec.create({ networks: [NetworkAttachmentConfig.create({ target: `net${next(4)}` })] }),
  };
  if (existing) draft.update('task', { ...existing, ...fields });
  else draft.create('task', Task.create({ id, ...fields }));
}

const ids = (objects: Iterable<{ readonly id: string }>): string[] => [...objects].map((o) => o.id).sort();

/** Every index against a search through all objects. */
function checkIndexes(view: ReadView): void {
  const tasks = [...view.list('task')];
  const having = (test: (task: Task) => boolean) => ids(tasks.filter(test));
  for (let i = 0; i < 5; i++) {
    expect(ids(view.tasksOfService(`s${i}`))).toEqual(having((t) => t.serviceId === `s${i}`));
    expect(ids(view.tasksOfNode(`n${i}`))).toEqual(having((t) => t.nodeId === `n${i}`));
    const inNetwork = (t: Task) =>
      [...t.networks.map((n) => n.networkId), ...t.spec.networks.map((n) => n.target)].includes(`net${i}`);
    expect(ids(view.tasksOfNetwork(`net${i}`))).toEqual(having(inNetwork));
    for (let slot = 0; slot < 12; slot++)
      expect(ids(view.tasksOfSlot(`s${i}`, slot))).toEqual(having((t) => t.serviceId === `s${i}` && t.slot === slot));
    expect(ids(view.byIdPrefix('task', `t${i}`, 100))).toEqual(having((t) => t.id.startsWith(`t${i}`)));
  }
  const names = [...view.list('service')].map((s) => s.spec.name);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(view.byName('service', name)).toHaveLength(1);
}

const contents = (view: ReadView) =>
  Object.fromEntries(KINDS.map((kind) => [kind, new Map([...view.list(kind)].map((o) => [o.id, o]))]));

/** The state as one who only watches knows it. */
async function mirror(snapshot: ReadView, commits: AsyncIterable<Commit>) {
  const state = contents(snapshot);
  let version = snapshot.version;
  for await (const commit of commits) {
    expect(commit.version).toBeGreaterThan(version);
    version = commit.version;
    for (const { action, kind, object, old } of commit.events) {
      expect(state[kind]?.get(object.id)).toEqual(action === 'create' ? undefined : action === 'remove' ? object : old);
      if (action === 'remove') state[kind]?.delete(object.id);
      else state[kind]?.set(object.id, object);
    }
  }
  return state;
}

describe.each(Array.from({ length: 10 }, (_, i) => i + 1))('store, seed %i', (seed) => {
  test('random transactions: indexes, kept views, watch, replay and snapshot agree', async () => {
    const next = seeded(seed);
    const log = new KeptLog();
    const store = await openTestStore({ proposer: log });
    const { snapshot: empty, commits } = store.watch(new AbortController().signal);
    const mirrored = mirror(empty, commits);
    const kept: { view: ReadView; contents: unknown }[] = [];
    for (let step = 0; step < 60; step++) {
      const changes = Array.from({ length: 1 + next(3) }, () =>
        store
          .update((draft) => {
            for (let n = next(6); n >= 0; n--) randomChange(next, draft);
            checkIndexes(draft);
            if (next(8) === 0) throw new RangeError('changed its mind');
          })
          .catch((error: unknown) => expect(error).toBeInstanceOf(RangeError)),
      );
      await Promise.all(changes);
      checkIndexes(store.view());
      if (step % 10 === 0) kept.push({ view: store.view(), contents: contents(store.view()) });
    }
    for (const old of kept) expect(contents(old.view)).toEqual(old.contents);

    const options = { proposer: new KeptLog(), clock: new ManualClock(), log: silentLogger };
    const replica = new MemoryStore(options);
    const half = Math.floor(log.entries.length / 2);
    for (const [i, entry] of log.entries.slice(0, half).entries()) replica.apply(i + 1, entry);
    const snapshot = replica.snapshot();
    const restored = new MemoryStore(options);
    await restored.restore(
      half,
      (async function* () {
        yield* snapshot.chunks;
      })(),
    );
    for (const [i, entry] of log.entries.slice(half).entries()) restored.apply(half + i + 1, entry);
    expect(contents(restored.view())).toEqual(contents(store.view()));
    checkIndexes(restored.view());
    await store.stop();
    expect(await mirrored).toEqual(contents(store.view()));
  });
});
