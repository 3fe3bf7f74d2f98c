import { expect, test } from 'vitest';
import { Autoscale, Task, TaskUsage } from '../../proto/gen/index.js';
import { openTestStore } from '../store/testing.js';
import { testService } from '../testing/objects.js';
import { MeasuredServices } from './measured-services.js';
import { UsageReports } from './usage-reports.js';

const usage = (taskId: string, nanoCpus: number) => TaskUsage.create({ taskId, nanoCpus });

test('reports - the last one of the node on which the task is', () => {
  const reports = new UsageReports();
  reports.report('n1', [usage('a', 1), usage('b', 2)], 100);
  reports.report('n2', [usage('a', 9)], 100);
  expect(reports.of({ id: 'a', nodeId: 'n1' })).toEqual({ at: 100, nanoCpus: 1, connectionsPerSecond: 0 });
  reports.report('n1', [usage('a', 3)], 200);
  expect(reports.of({ id: 'a', nodeId: 'n1' })).toMatchObject({ at: 200, nanoCpus: 3 });
  expect(reports.of({ id: 'b', nodeId: 'n1' })).toBeUndefined();
  reports.forget('n1');
  expect(reports.of({ id: 'a', nodeId: 'n1' })).toBeUndefined();
  reports.report('n2', [], 300);
  expect(reports.of({ id: 'a', nodeId: 'n2' })).toBeUndefined();
});

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('reports - %d is nothing that a task can use', (number) => {
  const reports = new UsageReports();
  const wrong = { taskId: 'a', nanoCpus: 0, connectionsPerSecond: number };
  expect(() => reports.report('n1', [wrong], 0)).toThrow(`task a cannot use ${number}`);
  expect(reports.of({ id: 'a', nodeId: 'n1' })).toBeUndefined();
});

test('measured services - those with a rule, on the nodes where they have tasks', async () => {
  const store = await openTestStore();
  const measured = new MeasuredServices();
  const [web, db] = [testService('web', 1, { autoscale: Autoscale.create({ min: 1, max: 2 }) }), testService('db', 1)];
  const onNode = (nodeId: string) => measured.onNode(store.view(), nodeId);
  const ending = new AbortController();
  const watch = store.watch(ending.signal, ['service', 'task']);
  const concerned: string[][] = [];
  measured.start(watch.snapshot);
  await store.update((draft) => {
    for (const service of [web, db]) {
      draft.create('service', service);
      draft.create('task', Task.create({ id: `task-of-${service.spec.name}`, serviceId: service.id, nodeId: 'n1' }));
    }
  });
  expect(onNode('n1')).toEqual([]);
  await store.update((draft) => {
    const service = draft.get('service', db.id);
    if (service) draft.update('service', { ...service, spec: { ...service.spec, autoscale: web.spec.autoscale } });
  });
  await store.update((draft) => draft.remove('service', web.id));
  const seen: (readonly string[])[] = [];
  for await (const commit of watch.commits) {
    concerned.push(commit.events.flatMap((event) => [...measured.observe(store.view(), event)]));
    seen.push(onNode('n1'));
    if (seen.length === 3) break;
  }
  ending.abort();
  expect(seen).toEqual([[web.id], expect.arrayContaining([web.id, db.id]), [db.id]]);
  // Of the first commit the service and its task, and nothing of the task that is not measured.
  expect(concerned.map((nodes) => new Set(nodes))).toEqual([new Set(['n1']), new Set(['n1']), new Set(['n1'])]);
  expect(concerned[0]?.length).toBe(2);
  expect(onNode('n2')).toEqual([]);
  measured.start(store.view());
  expect(onNode('n1')).toEqual([db.id]);
  await store.stop();
});
