import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import { testService } from '../testing/objects.js';
import { MemoryStore } from './memory-store.js';
import { VolatileLog } from './volatile-log.js';

/** A log whose entries can be applied elsewhere. */
class KeptLog extends VolatileLog {
  readonly entries: Uint8Array[] = [];

  override async propose(payload: Uint8Array): Promise<number> {
    this.entries.push(payload);
    return super.propose(payload);
  }
}

class Fixture {
  readonly clock = new ManualClock();
  readonly log = new KeptLog();
  readonly store = this.newStore(this.log);

  newStore(proposer = new VolatileLog()): MemoryStore {
    return new MemoryStore({ proposer, clock: this.clock, log: silentLogger, maxEvents: 250 });
  }

  async create(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.store.update((draft) => draft.create('service', testService(name, 1)));
      await this.clock.advance(1);
    }
  }
}

const all = ({ events }: MemoryStore) => events.read(0, 1_000);

async function* stream(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

test('events - the same log gives the same events, with the times of who proposed', async () => {
  const f = new Fixture();
  await f.store.start();
  const service = await f.store.update((draft) => draft.create('service', testService('web', 1)));
  await f.clock.advance(5);
  await f.store.update((draft) => draft.remove('service', service.id));
  const replica = f.newStore();
  await f.clock.advance(100_000);
  for (const [i, entry] of f.log.entries.entries()) replica.apply(i + 1, entry);
  expect(all(replica)).toEqual(all(f.store));
  expect(all(f.store)).toMatchObject([
    { sequence: 1, timeMs: 1_000_000, scope: 'swarm', type: 'service', action: 'create', attributes: { name: 'web' } },
    { sequence: 2, timeMs: 1_000_005, action: 'remove', id: service.id, attributes: { name: 'web' } },
  ]);
});

test('snapshot - carries the ring as it was when it was taken, and what is forgotten', async () => {
  const f = new Fixture();
  await f.store.start();
  await f.create(...Array.from({ length: 260 }, (_, i) => `s${i}`));
  const { chunks } = f.store.snapshot();
  const before = all(f.store);
  await f.create('late');
  const restored = f.newStore();
  await restored.restore(260, stream(chunks));
  expect(all(restored)).toEqual(before);
  expect(restored.events.horizon).toEqual({ sequence: 10, timeMs: 1_000_009 });
  // What follows goes on in both as if there had been no snapshot.
  restored.apply(261, f.log.entries[260] ?? new Uint8Array());
  expect(all(restored)).toEqual(all(f.store));
  expect(restored.events.horizon).toEqual(f.store.events.horizon);
});

test('snapshot - of an empty store is an empty ring', async () => {
  const f = new Fixture();
  const restored = f.newStore();
  await restored.restore(1, stream(f.store.snapshot().chunks));
  expect(restored.events.last).toBe(0);
  expect(restored.events.horizon).toEqual({ sequence: 0, timeMs: 0 });
});
