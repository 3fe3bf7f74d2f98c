import { expect, test } from 'vitest';
import { deferred } from '../../lib/async.js';
import { ManualClock } from '../../lib/clock.js';
import { unavailable } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import type { Commit, ReadView } from '../store/store.js';
import { openTestStore } from '../store/testing.js';
import { testService } from '../testing/objects.js';
import { ControlLoop, type Reaction } from './loop.js';

async function run(act: (pass: number) => Promise<void>) {
  const clock = new ManualClock();
  const store = await openTestStore({ clock });
  const seen: string[] = [];
  const reaction: Reaction = {
    kinds: ['service'],
    start: (view: ReadView) => seen.push(`start at ${view.version}`),
    observe: (commit: Commit) => seen.push(`commit ${commit.version}`),
    act: async () => {
      const pass = seen.filter((line) => line.startsWith('act')).length + 1;
      seen.push(`act ${pass}`);
      await act(pass);
    },
  };
  const ending = new AbortController();
  const loop = new ControlLoop({ store, clock, log: silentLogger, random: () => 0 });
  const running = loop.run(ending.signal, reaction);
  running.catch(() => undefined); // looked at by the test that expects it
  await clock.advance(0);
  const change = async (name: string) => {
    await store.update((draft) => draft.create('service', testService(name, 1)));
    await clock.advance(0);
  };
  return { seen, clock, change, running, end: () => ending.abort() };
}

test('acts at the start and at once on a change; what comes meanwhile is one more action', async () => {
  const gate = deferred<void>();
  const { seen, change, running, end, clock } = await run((pass) => (pass === 2 ? gate.promise : Promise.resolve()));
  await change('a');
  await change('b');
  await change('c');
  expect(seen).toEqual(['start at 0', 'act 1', 'commit 1', 'act 2', 'commit 2', 'commit 3']);
  gate.resolve();
  await clock.advance(0);
  expect(seen.slice(6)).toEqual(['act 3']);
  end();
  await running;
});

test('begins again from a new snapshot when the store cannot commit', async () => {
  const { seen, change, running, end, clock } = await run(async (pass) => {
    if (pass === 2) throw unavailable('no quorum');
  });
  await change('a');
  expect(seen).toEqual(['start at 0', 'act 1', 'commit 1', 'act 2']);
  await clock.advance(50);
  expect(seen.slice(4)).toEqual(['start at 1', 'act 3']);
  await change('b');
  expect(seen.slice(6)).toEqual(['commit 2', 'act 4']);
  end();
  await running;
});

test('any other error ends it', async () => {
  const { running } = await run(async () => {
    throw new RangeError('a bug');
  });
  await expect(running).rejects.toThrow('a bug');
});
