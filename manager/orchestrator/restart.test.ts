import { expect, test } from 'vitest';
import {
  NodeState,
  RestartCondition,
  type RestartPolicy,
  type ServiceSpec,
  type TaskSpec,
  TaskState,
} from '../../proto/gen/index.js';
import { testTaskSpec } from '../testing/objects.js';
import { orchestrated, words } from '../testing/orchestrated.js';

const restarting = (policy: Partial<RestartPolicy>): TaskSpec => {
  const spec = testTaskSpec('web');
  return { ...spec, restart: { ...spec.restart, ...policy } };
};

const scale = (replicas: number) => (spec: ServiceSpec) => ({ ...spec, replicated: { replicas } });

test('restart - the successor is ready at once and runs after the delay', async () => {
  const { add, tasks, runAll, report, clock, settle } = await orchestrated('node1');
  const id = await add('web', 1);
  await runAll(id);
  const [task] = tasks(id);
  if (task) await report(task, TaskState.FAILED);
  expect(words(tasks(id))).toEqual({ 1: ['FAILED→SHUTDOWN', 'NEW→READY'] });
  await clock.advance(4_999);
  await settle();
  expect(words(tasks(id))).toEqual({ 1: ['FAILED→SHUTDOWN', 'NEW→READY'] });
  await clock.advance(1);
  await settle();
  expect(words(tasks(id))).toEqual({ 1: ['FAILED→SHUTDOWN', 'NEW→RUNNING'] });
});

test('restart - a delay goes on over a change of leader', async () => {
  const { add, wanted, runAll, report, clock, settle, restart } = await orchestrated('node1');
  const id = await add('web', 1);
  await runAll(id);
  const [task] = wanted(id);
  if (task) await report(task, TaskState.FAILED);
  await clock.advance(3_000);
  await restart();
  await clock.advance(1_999);
  await settle();
  expect(wanted(id).map((t) => t.desiredState)).toEqual([TaskState.READY]);
  await clock.advance(1);
  await settle();
  expect(wanted(id).map((t) => t.desiredState)).toEqual([TaskState.RUNNING]);
});

test.each([
  ['any', RestartCondition.ANY, TaskState.COMPLETE, true],
  ['any', RestartCondition.ANY, TaskState.REJECTED, true],
  ['on-failure', RestartCondition.ON_FAILURE, TaskState.FAILED, true],
  ['on-failure', RestartCondition.ON_FAILURE, TaskState.COMPLETE, false],
  ['none', RestartCondition.NONE, TaskState.FAILED, false],
])('restart - condition %s (%i) after state %i: %s', async (_name, condition, state, restarts) => {
  const { add, wanted, runAll, report, restart } = await orchestrated('node1');
  const id = await add('web', 1, { task: restarting({ condition }) });
  await runAll(id);
  const [task] = wanted(id);
  if (task) await report(task, state);
  expect(wanted(id)).toHaveLength(restarts ? 1 : 0);
  await restart();
  expect(wanted(id)).toHaveLength(restarts ? 1 : 0);
});

test('restart - what its node could not make ready is tried again when the delay is over, and not before', async () => {
  const { add, wanted, runAll, report, clock, settle, restart } = await orchestrated('node1');
  const id = await add('web', 1, { task: restarting({ delay: 5e9 }) });
  const reject = async () => {
    await runAll(id);
    const [task] = wanted(id);
    if (task) await report(task, TaskState.REJECTED);
  };
  const states = () => wanted(id).map(({ desiredState, status }) => [desiredState, status.state]);
  await reject();
  expect(states()).toEqual([[TaskState.ACCEPTED, TaskState.NEW]]);
  await runAll(id);
  await clock.advance(4_999);
  await restart();
  expect(states()).toEqual([[TaskState.ACCEPTED, TaskState.ACCEPTED]]);
  await clock.advance(1);
  await settle();
  expect(states()).toEqual([[TaskState.RUNNING, TaskState.ACCEPTED]]);
  for (const delay of [5_000, 5_000, 10_000]) {
    await reject();
    const [next] = wanted(id);
    expect((next?.startAfter ?? 0) - clock.now()).toBe(delay);
    await clock.advance(delay);
    await settle();
  }
});

test('restart - no more than the attempts within the window', async () => {
  const { add, wanted, runAll, report, clock, settle } = await orchestrated('node1');
  const policy = { maxAttempts: 2, window: 60e9, delay: 1e9 };
  const id = await add('web', 1, { task: restarting(policy) });
  const fail = async () => {
    await clock.advance(1_000);
    await settle();
    await runAll(id);
    const [task] = wanted(id);
    if (task) await report(task, TaskState.FAILED);
  };
  await fail();
  await fail();
  expect(wanted(id)).toHaveLength(1);
  await fail();
  expect(wanted(id)).toHaveLength(0);
});

test('restart - attempts before the window do not count', async () => {
  const { add, wanted, runAll, report, clock, settle } = await orchestrated('node1');
  const id = await add('web', 1, { task: restarting({ maxAttempts: 1, window: 10e9, delay: 1e9 }) });
  for (let i = 0; i < 3; i++) {
    await clock.advance(11_000);
    await settle();
    await runAll(id);
    const [task] = wanted(id);
    if (task) await report(task, TaskState.FAILED);
    expect(wanted(id)).toHaveLength(1);
  }
});

/** Fails the wanted task as soon as it runs. @returns milliseconds until its successor may start */
async function crash(swarm: Awaited<ReturnType<typeof orchestrated>>, id: string, ranFor = 0): Promise<number> {
  const { clock, runAll, settle, wanted, report } = swarm;
  await clock.advance(Math.max(0, (wanted(id)[0]?.startAfter ?? 0) - clock.now()));
  await settle();
  await runAll(id);
  await clock.advance(ranFor);
  const [task] = wanted(id);
  expect(task?.status.state).toBe(TaskState.RUNNING);
  if (task) await report(task, TaskState.FAILED);
  const [successor] = wanted(id);
  expect(successor?.desiredState).toBe(TaskState.READY);
  return (successor?.startAfter ?? 0) - clock.now();
}

test('restart - a task that keeps failing soon is restarted later and later, over changes of leader', async () => {
  const swarm = await orchestrated('node1');
  const id = await swarm.add('web', 1);
  const delays: number[] = [];
  for (let i = 0; i < 9; i++) {
    delays.push(await crash(swarm, id, 1_000));
    await swarm.restart();
  }
  expect(delays.map((ms) => ms / 1000)).toEqual([5, 5, 5, 10, 20, 40, 80, 125, 125]);
  expect(swarm.wanted(id)[0]?.restarts).toMatchObject({ failures: 9, attempts: 9 });
});

test('restart - after it has run for a while, or ended well, a task is restarted as at first', async () => {
  const swarm = await orchestrated('node1');
  const id = await swarm.add('web', 1);
  for (let i = 0; i < 5; i++) await crash(swarm, id);
  expect(await crash(swarm, id)).toBe(40_000);
  expect(await crash(swarm, id, 60_000)).toBe(5_000);
  for (let i = 0; i < 3; i++) await crash(swarm, id);
  expect(await crash(swarm, id)).toBe(20_000);
  await swarm.clock.advance(20_000);
  await swarm.settle();
  await swarm.runAll(id);
  const [task] = swarm.wanted(id);
  if (task) await swarm.report(task, TaskState.COMPLETE);
  expect(swarm.wanted(id)[0]).toMatchObject({ startAfter: swarm.clock.now() + 5_000, restarts: { failures: 0 } });
});

test('restart - a new spec does not wait for the failures of the old one', async () => {
  const swarm = await orchestrated('node1');
  const id = await swarm.add('web', 1);
  for (let i = 0; i < 6; i++) await crash(swarm, id);
  await swarm.change(id, scale(1)); // the same tasks
  expect(await crash(swarm, id)).toBe(80_000);
  await swarm.change(id, (spec) => ({ ...spec, task: testTaskSpec('web:2') }));
  await swarm.clock.advance(80_000);
  await swarm.settle();
  expect(swarm.wanted(id)[0]?.spec.container.image).toBe('web:2');
  expect(await crash(swarm, id)).toBe(5_000);
});

test('restart - attempts go on to be counted after a change of leader', async () => {
  const swarm = await orchestrated('node1');
  const { add, wanted, restart, clock, settle, runAll, report } = swarm;
  for (const window of [0, 600e9]) {
    const id = await add(`web${window}`, 1, { task: restarting({ maxAttempts: 2, window, delay: 1e9 }) });
    await crash(swarm, id);
    await restart();
    await crash(swarm, id);
    await restart();
    await clock.advance(1_000);
    await settle();
    await runAll(id);
    const [task] = wanted(id);
    if (task) await report(task, TaskState.FAILED);
    expect(wanted(id)).toHaveLength(0);
    await restart();
    expect(wanted(id)).toHaveLength(0);
  }
});

test('node loss - a move is no attempt, and is made when there are none left', async () => {
  const swarm = await orchestrated('node1', 'node2');
  const { add, wanted, setNode, clock, settle, runAll } = swarm;
  const id = await add('web', 1, { task: restarting({ maxAttempts: 1, delay: 1e9 }) });
  await crash(swarm, id);
  await clock.advance(1_000);
  await settle();
  await runAll(id);
  const [{ nodeId } = { nodeId: '' }] = wanted(id);
  await setNode(
    swarm.nodes.findIndex((node) => node.id === nodeId),
    { state: NodeState.DOWN },
  );
  expect(wanted(id)).toHaveLength(1);
  expect(wanted(id)[0]).toMatchObject({ desiredState: TaskState.RUNNING, restarts: { attempts: 1 } });
});
