import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Clock, ManualClock, systemClock } from '../../lib/clock.js';
import { type Result, TestSwarm } from './swarm.js';

const QUICK = { interval: 5, timeout: 15_000 };

let swarm: TestSwarm;
beforeEach(async () => {
  swarm = new TestSwarm();
  await swarm.start();
});
afterEach(() => swarm.stop());

/** A service that is being created, and cannot be before node2 has a label. */
async function creating(clock: Clock = systemClock) {
  let out = '';
  const io = {
    clock,
    out: (text: string | Uint8Array) => {
      out += text.toString();
    },
  };
  const create = ['service', 'create', '--name', 'web', '--constraint', 'node.labels.zone==a', 'web'];
  const state: { result?: Result } = {};
  const result = swarm.cliWith(io, ...create).then((ended) => {
    state.result = ended;
    return ended;
  });
  await expect.poll(() => out, QUICK).toContain('1/1: pending');
  return { result, state, out: () => out };
}

const addLabel = () =>
  swarm.store.update((draft) => {
    const node = draft.get('node', 'node2id');
    if (node) draft.update('node', { ...node, spec: { ...node.spec, labels: { zone: 'a' } } });
  });

const removeService = () =>
  swarm.store.update((draft) => {
    for (const { id } of draft.byName('service', 'web')) draft.remove('service', id);
  });

/** Lets time go by for the command line until it has ended. */
async function passTime(clock: ManualClock, state: { result?: Result }): Promise<number> {
  const begun = clock.now();
  await expect
    .poll(async () => {
      await clock.advance(500);
      return state.result;
    }, QUICK)
    .toBeDefined();
  return clock.now() - begun;
}

it('progress - goes on when the daemon is back, with what has happened meanwhile', async () => {
  const { result, out } = await creating();
  await swarm.socket.close();
  await addLabel();
  await swarm.socket.open();
  expect(await result).toMatchObject({ code: 0, err: '' });
  expect(out()).toMatch(/1\/1: running\n(.*\n)*verify: Service \S+ converged\n$/);
});

it('progress - a service that was removed while nobody could be asked', async () => {
  const { result } = await creating();
  await swarm.socket.close();
  await removeService();
  await swarm.socket.open();
  expect(await result).toMatchObject({ code: 1, err: 'Error: the service was removed\n' });
});

it('progress - a daemon that does not come back is not waited for without end', async () => {
  const clock = new ManualClock();
  const { state } = await creating(clock);
  await swarm.socket.close();
  expect(await passTime(clock, state)).toBeGreaterThanOrEqual(30_000);
  expect(state.result?.code).toBe(1);
  expect(state.result?.err).toContain('Error: no manager has answered for 30 seconds: ');
  expect(state.result?.err).toContain('The managers go on with the service when they are back.');
});

it('progress - a daemon that answers, but without a quorum', async () => {
  const clock = new ManualClock();
  const { state } = await creating(clock);
  swarm.log.hasQuorum = false;
  expect(await passTime(clock, state)).toBeGreaterThanOrEqual(30_000);
  expect(state.result?.code).toBe(1);
  expect(state.result?.err).toContain('no manager has answered for 30 seconds: The swarm does not have a leader');
});

it('progress - nothing to tell for long, and one question without an answer, are no reason to give up', async () => {
  const clock = new ManualClock();
  const { state, result } = await creating(clock);
  const untilAsked = async (times: number) => {
    const before = swarm.requests;
    await expect
      .poll(async () => {
        await clock.advance(500);
        return swarm.requests - before;
      }, QUICK)
      .toBeGreaterThanOrEqual(times);
  };
  await untilAsked(10);
  swarm.log.hasQuorum = false;
  await untilAsked(1);
  swarm.log.hasQuorum = true;
  await untilAsked(2);
  expect(state.result).toBeUndefined();
  await removeService();
  expect(await result).toMatchObject({ code: 1, err: 'Error: the service was removed\n' });
});
