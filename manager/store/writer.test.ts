import { expect, test } from 'vitest';
import { notFound, unavailable } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import { testNode } from '../testing/objects.js';
import { openTestStore } from './testing.js';
import { VolatileLog } from './volatile-log.js';

/** A log whose manager may have been deposed without knowing. */
class Deposed extends VolatileLog {
  confirms = true;
  /** Another leader's entry that turns up while this one asks whether it still leads. */
  late: Uint8Array | undefined;
  last: Uint8Array | undefined;

  override async propose(payload: Uint8Array): Promise<number> {
    this.last = payload;
    return super.propose(payload);
  }

  override async barrier(): Promise<void> {
    if (!this.confirms) throw unavailable('no quorum');
    if (this.late) await super.propose(this.late);
    this.late = undefined;
  }
}

test('writer - a refusal is given only by a manager that is confirmed to lead', async () => {
  const log = new Deposed();
  const store = await openTestStore({ proposer: log });
  const refuse = () =>
    store.update(() => {
      throw notFound('there is no such thing');
    });
  await expect(refuse()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  log.confirms = false;
  await expect(refuse()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(store.update(() => 'nothing to change')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('writer - a refusal of a state that turns out to be old is none', async () => {
  const log = new Deposed();
  const store = await openTestStore({ proposer: log });
  await store.update((draft) => draft.create('node', testNode('node1')));
  log.late = log.last;
  const looked = store.update((draft) => draft.get('node', 'none'));
  await expect(looked).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('writer - after a large entry others have a turn of the event loop before the next group is made', async () => {
  const store = await openTestStore();
  const inOneTurn = async (nodes: number) => {
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    await store.update((draft) => {
      for (let i = 0; i < nodes; i++) draft.create('node', testNode(newId()));
    });
    return store.update(() => !turned);
  };
  expect(await inOneTurn(1)).toBe(true);
  expect(await inOneTurn(200)).toBe(false);
});
