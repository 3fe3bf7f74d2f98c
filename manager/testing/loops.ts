import { onTestFinished } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import { seededIds } from '../../lib/seeded-random.js';
import type { Task, TaskState } from '../../proto/gen/index.js';
import type { LoopOptions } from '../common/loop.js';
import { withStatus } from '../common/tasks.js';
import type { MemoryStore } from '../store/memory-store.js';
import { openTestStore } from '../store/testing.js';

export type LoopClass = new (options: LoopOptions) => { run(signal: AbortSignal): Promise<void> };

/** Loops over one store, with a clock that the test turns; they end with the test. */
export interface TestLoops {
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  /** Lets the loops do all that can be done at this time. */
  settle(): Promise<void>;
  /** Ends the loops and begins them again over the same store, as a new leader does. */
  restart(): Promise<void>;
  /** What happens while nobody leads. */
  away(meanwhile: () => Promise<void>): Promise<void>;
  tasks(serviceId: string): Task[];
  /** Reports a state of a task, as the dispatcher does. */
  report(task: Task, state: TaskState, error?: string): Promise<void>;
}

export async function runLoops(...classes: readonly LoopClass[]): Promise<TestLoops> {
  const clock = new ManualClock();
  const store = await openTestStore({ clock });
  const ids = seededIds(1);
  let ending = new AbortController();
  let running: Promise<unknown> = Promise.resolve();
  const begin = () => {
    ending = new AbortController();
    const options = { store, clock, log: silentLogger, random: () => 0.5, newId: ids };
    const loops = classes.map((Loop) => new Loop(options));
    running = Promise.all(loops.map((loop) => loop.run(ending.signal)));
    // A loop that fails makes the test fail when it next waits for the loops.
    running.catch(() => undefined);
  };
  const end = async () => {
    ending.abort();
    await running;
  };
  const settle = async () => {
    for (let quiet = 0, version = store.view().version; quiet < 3; quiet++) {
      await Promise.race([clock.advance(0), running]);
      if (store.view().version === version) continue;
      version = store.view().version;
      quiet = 0;
    }
  };
  const away = async (meanwhile: () => Promise<void>) => {
    await end();
    await meanwhile();
    begin();
    await settle();
  };
  onTestFinished(async () => {
    await end();
    await store.stop();
  });
  begin();
  await settle();
  return {
    store,
    clock,
    settle,
    restart: () => away(async () => {}),
    away,
    tasks: (serviceId) => [...store.view().tasksOfService(serviceId)],
    async report(task, state, error = '') {
      await store.update((draft) => {
        const current = draft.get('task', task.id);
        if (current)
          draft.update('task', withStatus(current, { ...current.status, state, error, timestamp: clock.now() }));
      });
      await settle();
    },
  };
}
