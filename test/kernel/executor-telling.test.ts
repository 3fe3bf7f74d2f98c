import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import { LocalEvents } from '../../worker/events/local-events.js';
import { TellingExecutor } from '../../worker/events/telling-executor.js';
import type { OciExecutor } from '../../worker/executor/oci/index.js';
import { never, settings, sh, useGround } from './executor-fixture.js';

let executor: OciExecutor;

useGround((opened) => {
  executor = opened.executor;
});

/** As a daemon has it that has just started, and has not looked yet at what runs. */
function started() {
  const events = new LocalEvents(systemClock);
  const telling = new TellingExecutor(executor, {
    events,
    describe: () => ({ name: 'box', image: 'busybox', labels: {} }),
    clock: systemClock,
    log: silentLogger,
  });
  const actions = () => events.log.read(0, 100).map(({ action }) => action);
  return { telling, actions };
}

async function running(): Promise<string> {
  const container = settings(sh('sleep 1000'));
  await executor.prepare(container, never);
  await executor.start(container.id);
  return container.id;
}

it('telling - the end of a container that is killed before the daemon has looked at it is told', async () => {
  const id = await running();
  const { telling, actions } = started();
  await telling.kill(id, 'SIGKILL');
  await expect.poll(actions, { timeout: 10_000 }).toEqual(['kill', 'die']);
});

it('telling - likewise of one that is stopped, and in order', async () => {
  const id = await running();
  const { telling, actions } = started();
  await telling.stop(id, 'SIGKILL', 1_000);
  expect(actions()).toEqual(['die', 'stop']);
});
