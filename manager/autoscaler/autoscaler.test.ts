import { expect, test } from 'vitest';
import { Autoscale, type ServiceSpec, TaskState } from '../../proto/gen/index.js';
import type { LoopOptions } from '../common/loop.js';
import { isWanted } from '../common/tasks.js';
import { Orchestrator } from '../orchestrator/orchestrator.js';
import { runLoops } from '../testing/loops.js';
import { changeSpec, testCluster, testNode, testService, testTaskSpec } from '../testing/objects.js';
import { UsageReports } from '../usage/usage-reports.js';
import { Autoscaler } from './autoscaler.js';

const RULE = Autoscale.create({ min: 2, max: 8, cpuPercent: 50 });

/** A swarm of one node; the test plays the scheduler, the agents, and what tasks use. */
async function scaled(fields: Partial<ServiceSpec> = {}) {
  const usage = new UsageReports();
  class Reading extends Autoscaler {
    constructor(options: LoopOptions) {
      super({ ...options, usage });
    }
  }
  const loops = await runLoops(Orchestrator, Reading);
  const { store, clock, settle, tasks, report } = loops;
  const node = testNode('node1');
  const created = testService('web', 2, { autoscale: RULE, ...fields });
  await store.update((draft) => {
    draft.create('cluster', testCluster(5_000));
    draft.create('node', node);
    draft.create('service', created);
  });
  await settle();
  const wanted = () => tasks(created.id).filter(isWanted);
  const service = () => {
    const found = store.view().get('service', created.id);
    if (!found) throw new RangeError('the service is gone');
    return found;
  };
  const runAll = async () => {
    for (const task of wanted())
      if (task.status.state < TaskState.RUNNING) {
        await store.update((draft) => draft.update('task', { ...task, nodeId: node.id }));
        await report(task, TaskState.RUNNING);
      }
    for (const task of tasks(created.id))
      if (!isWanted(task) && task.status.state <= TaskState.RUNNING) await report(task, TaskState.SHUTDOWN);
  };
  /** Heartbeats for so many seconds, in which each task uses so much of one CPU, or nothing is told. */
  const live = async (seconds: number, percent?: number) => {
    for (let i = 0; i < seconds; i += 5) {
      await runAll();
      const told = wanted().map(({ id }) => ({ taskId: id, nanoCpus: (percent ?? 0) * 1e7, connectionsPerSecond: 0 }));
      usage.report(node.id, percent === undefined ? [] : told, clock.monotonic());
      await clock.advance(5_000);
      await settle();
    }
    await runAll();
  };
  return { ...loops, id: created.id, usage, wanted, service, live };
}

test('load - adds tasks and takes them away, and says why', async () => {
  const { live, wanted, service } = await scaled();
  await live(25, 100);
  expect(wanted()).toHaveLength(4);
  expect(service().autoscaleStatus?.last).toMatchObject({ from: 2, to: 4, reason: 'cpu 100 % of 50 %' });
  await live(200, 5);
  expect(wanted()).toHaveLength(2);
  expect(service().autoscaleStatus?.last).toMatchObject({ from: 4, to: 2, reason: 'cpu 5 % of 50 %' });
});

test('scaling - replaces no task, and leaves what a rollback goes back to', async () => {
  const { live, wanted, service, store, id } = await scaled();
  await live(5, 50);
  await changeSpec(store, id, (spec) => ({ ...spec, labels: { a: 'b' } }));
  const before = service();
  const first = wanted().map((task) => task.id);
  await live(30, 100);
  expect(service().spec.replicated?.replicas).toBeGreaterThan(2);
  expect(wanted().map((task) => task.id)).toEqual(expect.arrayContaining(first));
  expect(service()).toMatchObject({
    specVersion: before.specVersion,
    previousSpec: before.previousSpec,
    previousSpecVersion: before.previousSpecVersion,
    updateStatus: undefined,
  });
  expect(wanted().every((task) => task.specVersion === before.specVersion || first.includes(task.id))).toBe(true);
});

test('an update - is not disturbed, and the tasks that it makes count when it is over', async () => {
  const { live, wanted, service, store, id, settle } = await scaled();
  await live(5, 100);
  await changeSpec(store, id, (spec) => ({ ...spec, task: testTaskSpec('web:2') }));
  await settle();
  for (let i = 0; service().updateStatus?.message !== 'update completed'; i++) {
    expect(i).toBeLessThan(20);
    expect(service().spec.replicated?.replicas).toBe(2);
    await live(5, 100);
  }
  await live(30, 100);
  expect(wanted().length).toBeGreaterThan(2);
  expect(wanted().every((task) => task.spec.container.image === 'web:2')).toBe(true);
});

test('a new leader - waits for reports, and takes nothing away before it has seen a whole window', async () => {
  const { live, wanted, restart, usage } = await scaled();
  await live(50, 100);
  expect(wanted()).toHaveLength(8);
  usage.clear();
  await restart();
  await live(300);
  expect(wanted()).toHaveLength(8);
  await restart();
  await live(170, 5);
  expect(wanted()).toHaveLength(8);
  await live(20, 5);
  expect(wanted()).toHaveLength(2);
});

test('reports that have become old count for nothing', async () => {
  const { live, wanted, service, usage, clock, settle } = await scaled();
  await live(10, 45);
  usage.report(wanted()[0]?.nodeId ?? '', [], clock.monotonic());
  for (const task of wanted())
    usage.report(task.nodeId, [{ taskId: task.id, nanoCpus: 1e9, connectionsPerSecond: 0 }], clock.monotonic());
  for (let i = 0; i < 10; i++) {
    await clock.advance(5_000);
    await settle();
  }
  expect(service().autoscaleStatus).toMatchObject({ tasks: 0, message: 'no task has told yet what it uses' });
});

test('autoscaling that is ended - leaves the number as it is', async () => {
  const { live, wanted, store, id } = await scaled();
  await live(25, 100);
  await changeSpec(store, id, (spec) => ({ ...spec, autoscale: undefined }));
  const version = store.view().get('service', id)?.meta.version;
  await live(300, 0);
  expect(wanted()).toHaveLength(4);
  expect(store.view().get('service', id)?.meta.version).toBe(version);
});

test('a steady load - writes nothing', async () => {
  const { live, store } = await scaled();
  await live(40, 50);
  const { version } = store.view();
  await live(600, 51);
  expect(store.view().version).toBe(version);
});
