import { expect, test } from 'vitest';
import { Autoscale, FailureAction, type ServiceSpec, TaskState, UpdateConfig } from '../../proto/gen/index.js';
import { isWanted } from '../common/tasks.js';
import { testTaskSpec } from '../testing/objects.js';
import { orchestrated, words } from '../testing/orchestrated.js';

const image = (name: string) => (spec: ServiceSpec) => ({ ...spec, task: testTaskSpec(name) });

test('update - another number of replicas or an equal spec replaces nothing', async () => {
  const { add, tasks, runAll, change, service } = await orchestrated('node1');
  const id = await add('web', 2);
  await runAll(id);
  await change(id, (spec) => ({ ...spec, labels: { a: 'b' } }));
  expect(words(tasks(id))).toEqual({ 1: ['RUNNING→RUNNING'], 2: ['RUNNING→RUNNING'] });
  expect(service(id)?.updateStatus).toBeUndefined();
});

test('update - one slot after the other, the old task stops first', async () => {
  const { add, tasks, runAll, change, stopUnwanted, service, clock, settle } = await orchestrated('node1');
  const id = await add('web', 2);
  await runAll(id);
  await change(id, image('web:2'));
  expect(words(tasks(id))).toEqual({ 1: ['NEW→READY', 'RUNNING→SHUTDOWN'], 2: ['RUNNING→RUNNING'] });
  expect(service(id)?.updateStatus?.message).toBe('update in progress');
  await stopUnwanted(id);
  await runAll(id);
  expect(words(tasks(id))).toEqual({
    1: ['RUNNING→RUNNING', 'SHUTDOWN→SHUTDOWN'],
    2: ['NEW→READY', 'RUNNING→SHUTDOWN'],
  });
  await stopUnwanted(id);
  await runAll(id);
  await clock.advance(5_000);
  await settle();
  expect(service(id)?.updateStatus).toMatchObject({ message: 'update completed' });
  expect(
    tasks(id)
      .filter(isWanted)
      .map((task) => task.spec.container.image),
  ).toEqual(['web:2', 'web:2']);
});

test.each([600_000, -600_000])('update - is watched for as long as ever when the clock is set: %i', async (step) => {
  const { add, runAll, change, stopUnwanted, service, clock, settle } = await orchestrated('node1');
  const id = await add('web', 1);
  await runAll(id);
  await change(id, image('web:2'));
  await stopUnwanted(id);
  await runAll(id);
  clock.set(clock.now() + step);
  await clock.advance(4_999);
  await settle();
  expect(service(id)?.updateStatus?.message).toBe('update in progress');
  await clock.advance(1);
  await settle();
  expect(service(id)?.updateStatus?.message).toBe('update completed');
});

test('update - what is made and stopped for it has its id, and nothing else', async () => {
  const { add, tasks, runAll, change, store, settle } = await orchestrated('node1');
  const id = await add('web', 2);
  await runAll(id);
  await change(id, image('web:2'), 'call1');
  const ids = () => tasks(id).map((task) => `${task.slot} ${isWanted(task)} ${task.meta.changeId}`);
  expect(ids().sort()).toEqual(['1 false call1', '1 true call1', '2 true ']);
  await store.update((draft) => draft.remove('service', id), 'call2');
  await settle();
  expect(new Set(ids())).toEqual(new Set(['1 false call2', '2 false call2']));
});

test('update - start-first keeps the old task until the new one runs', async () => {
  const { add, tasks, runAll, change } = await orchestrated('node1');
  const config = {
    parallelism: 1,
    delay: 0,
    failureAction: 0,
    monitor: undefined,
    maxFailureRatio: 0,
    order: 1,
  } as const;
  const id = await add('web', 1, { update: config });
  await runAll(id);
  await change(id, image('web:2'));
  expect(words(tasks(id))).toEqual({ 1: ['NEW→RUNNING', 'RUNNING→RUNNING'] });
  await runAll(id);
  expect(words(tasks(id))).toEqual({ 1: ['RUNNING→RUNNING', 'RUNNING→SHUTDOWN'] });
});

test('update - a failure pauses it, for a new leader too, until the next update', async () => {
  const { add, tasks, runAll, change, stopUnwanted, service, wanted, report, restart } = await orchestrated('node1');
  const id = await add('web', 2);
  await runAll(id);
  await change(id, image('web:2'));
  await stopUnwanted(id);
  const fresh = wanted(id).find((task) => task.spec.container.image === 'web:2');
  if (fresh) await report(fresh, TaskState.FAILED, 'unhealthy container');
  expect(service(id)?.updateStatus?.message).toBe(
    `update paused due to failure or early termination of task ${fresh?.id}: unhealthy container`,
  );
  await restart();
  const old = () => wanted(id).filter((task) => task.spec.container.image === '');
  expect(old()).toHaveLength(1);
  await change(id, image('web:3'));
  expect(tasks(id).some((task) => task.spec.container.image === 'web:3')).toBe(true);
});

test('update - a failure rolls back when that is asked for', async () => {
  const { add, runAll, change, stopUnwanted, service, wanted, report, clock, settle } = await orchestrated('node1');
  const config = {
    parallelism: 1,
    delay: 0,
    failureAction: 2,
    monitor: undefined,
    maxFailureRatio: 0,
    order: 0,
  } as const;
  const id = await add('web', 2, { update: config, task: testTaskSpec('web:1') });
  await runAll(id);
  await change(id, image('web:2'));
  await stopUnwanted(id);
  const fresh = wanted(id).find((task) => task.spec.container.image === 'web:2');
  if (fresh) await report(fresh, TaskState.REJECTED, 'No such image');
  expect(service(id)?.updateStatus?.message).toBe(
    `update rolled back due to failure or early termination of task ${fresh?.id}: No such image`,
  );
  expect(service(id)?.spec.task.container.image).toBe('web:1');
  await stopUnwanted(id);
  await runAll(id);
  await clock.advance(5_000);
  await settle();
  expect(wanted(id).map((task) => task.spec.container.image)).toEqual(['web:1', 'web:1']);
  expect(service(id)?.updateStatus?.message).toBe('rollback completed');
});

test('update - one that is rolled back keeps the number of tasks that the load has asked for meanwhile', async () => {
  const { add, runAll, change, stopUnwanted, service, wanted, report, store, settle } = await orchestrated('node1');
  const update = UpdateConfig.create({ parallelism: 1, failureAction: FailureAction.ROLLBACK });
  const autoscale = Autoscale.create({ min: 1, max: 9, cpuPercent: 50 });
  const id = await add('web', 2, { update, autoscale, task: testTaskSpec('web:1') });
  await runAll(id);
  await change(id, image('web:2'));
  await store.update((draft) => {
    const current = draft.get('service', id);
    if (current) draft.update('service', { ...current, spec: { ...current.spec, replicated: { replicas: 3 } } });
  });
  await settle();
  expect(wanted(id)).toHaveLength(3);
  await stopUnwanted(id);
  const fresh = wanted(id).find((task) => task.spec.container.image === 'web:2' && task.slot < 3);
  if (fresh) await report(fresh, TaskState.REJECTED);
  expect(service(id)?.spec).toMatchObject({ replicated: { replicas: 3 }, task: { container: { image: 'web:1' } } });
});

test('update - of which only the end is missing is completed by a new leader', async () => {
  const { add, runAll, change, stopUnwanted, service, restart, clock, settle } = await orchestrated('node1');
  const id = await add('web', 1);
  await runAll(id);
  await change(id, image('web:2'));
  await stopUnwanted(id);
  await runAll(id);
  expect(service(id)?.updateStatus?.message).toBe('update in progress');
  await restart();
  await clock.advance(5_000);
  await settle();
  expect(service(id)?.updateStatus?.message).toBe('update completed');
  const version = service(id)?.meta.version;
  await clock.advance(60_000);
  await settle();
  expect(service(id)?.meta.version).toBe(version);
});

test('update - a new leader goes on with what is left', async () => {
  const { add, runAll, change, stopUnwanted, wanted, restart } = await orchestrated('node1');
  const id = await add('web', 3);
  await runAll(id);
  await change(id, image('web:2'));
  for (let i = 0; i < 3; i++) {
    await restart();
    await stopUnwanted(id);
    await runAll(id);
  }
  expect(wanted(id).map((task) => task.spec.container.image)).toEqual(['web:2', 'web:2', 'web:2']);
});
