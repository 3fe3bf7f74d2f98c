import { expect, test } from 'vitest';
import { SwarmError } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import {
  type Node,
  NodeAvailability,
  RestartCondition,
  Task,
  type TaskSpec,
  TaskState,
} from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import { demandOf, readNodes } from '../scheduler/demand.js';
import { openTestStore } from '../store/testing.js';
import { testNode, testService, testTaskSpec } from '../testing/objects.js';
import { planMoves } from './plan.js';

const placement = (fields: Partial<TaskSpec['placement']>): Partial<TaskSpec> => ({
  placement: { ...testTaskSpec('web').placement, ...fields },
});
const spreadOver = (...labels: string[]) => placement({ preferences: labels.map((spread) => ({ spread })) });

/** @param counts tasks by node. @returns `node1→node2` for each move */
async function moves(
  counts: Readonly<Record<string, number>>,
  { spec = {}, labels = {}, node = (n) => n, task = (t) => t }: Options = {},
): Promise<readonly string[]> {
  const store = await openTestStore();
  const service = testService('web', 0, { task: testTaskSpec('web', spec) });
  const nodes = Object.keys(counts).map((name) => {
    const plain = testNode(name);
    return node({ ...plain, id: name, spec: { ...plain.spec, labels: { zone: labels[name] ?? '' } } });
  });
  const tasks = Object.entries(counts).flatMap(([nodeId, count]) =>
    Array.from({ length: count }, (_, i) => {
      const made = newTask(service, { id: newId(), slot: i + 1, nodeId, desiredState: TaskState.RUNNING, now: 0 });
      return task({ ...made, status: { ...made.status, state: TaskState.RUNNING } }, i);
    }),
  );
  await store.update((draft) => {
    for (const one of nodes) draft.create('node', one);
    for (const one of tasks) draft.create('task', one);
  });
  const view = store.view();
  const demand = demandOf(view, tasks[0] ?? Task.create());
  if (demand instanceof SwarmError) throw demand;
  const made = planMoves(service, demand, [...view.list('task')], readNodes(view), 0);
  return made.map((move) => `${move.task.nodeId}→${move.to}`);
}

interface Options {
  readonly spec?: Partial<TaskSpec>;
  /** Zones by node. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly node?: (node: Node) => Node;
  readonly task?: (task: Task, i: number) => Task;
}

test('takes from where there are most, until no node has two more than another', async () => {
  expect(await moves({ a: 3, b: 3, c: 0 })).toEqual(['a→c', 'b→c']);
  expect(await moves({ a: 6, b: 0, c: 0 })).toEqual(['a→b', 'a→c', 'a→b', 'a→c']);
});

test('leaves alone what is as even as it can be', async () => {
  expect(await moves({ a: 2, b: 1, c: 1 })).toEqual([]);
  expect(await moves({ a: 1, b: 0 })).toEqual([]);
});

test('moves nothing to where no task of the service may run, nor where there is no room', async () => {
  const but = (name: string, change: (node: Node) => Node) => (node: Node) => (node.id === name ? change(node) : node);
  const drained = but('c', (n) => ({ ...n, spec: { ...n.spec, availability: NodeAvailability.DRAIN } }));
  expect(await moves({ a: 3, b: 3, c: 0 }, { node: drained })).toEqual([]);
  const paused = but('b', (n) => ({ ...n, spec: { ...n.spec, availability: NodeAvailability.PAUSE } }));
  expect(await moves({ a: 4, b: 0, c: 0 }, { node: paused })).toEqual(['a→c', 'a→c']);
  expect(await moves({ a: 4, b: 0 }, { spec: placement({ constraints: ['node.id==a'] }) })).toEqual([]);
  expect(await moves({ a: 5, b: 0 }, { spec: placement({ maxReplicas: 1 }) })).toEqual(['a→b']);
  const reservations = { nanoCpus: 3e9, memoryBytes: 0, generic: [] };
  const resources = { ...testTaskSpec('web').resources, reservations };
  expect(await moves({ a: 4, b: 0, c: 0 }, { spec: { resources } })).toEqual(['a→b', 'a→c']);
});

test('evens out the first spread preference before the nodes', async () => {
  const labels = { a: 'x', b: 'x', c: 'y', d: 'y' };
  const spec = spreadOver('node.labels.zone');
  expect(await moves({ a: 2, b: 2, c: 0, d: 0 }, { spec, labels })).toEqual(['a→c', 'b→d']);
  expect(await moves({ a: 3, b: 1, c: 2, d: 2 }, { spec, labels })).toEqual(['a→b']);
  // Two zones of one and three nodes: even by zone, not by node.
  expect(await moves({ a: 3, b: 1, c: 1, d: 1 }, { spec, labels: { ...labels, b: 'y' } })).toEqual([]);
});

test('counts moves that are under way as made, and does not move their tasks again', async () => {
  const first = (task: Task, i: number): Task => (i === 0 && task.nodeId === 'a' ? { ...task, moveTo: 'c' } : task);
  expect(await moves({ a: 3, b: 3, c: 0 }, { task: first })).toEqual(['b→c']);
});

test('does not move what does not run, is out of date, or is never restarted', async () => {
  const starting = (task: Task): Task => ({ ...task, status: { ...task.status, state: TaskState.STARTING } });
  expect(await moves({ a: 4, b: 0 }, { task: starting })).toEqual([]);
  const old = (task: Task): Task => ({ ...task, specVersion: 0, spec: testTaskSpec('web:0') });
  expect(await moves({ a: 4, b: 0 }, { task: old })).toEqual([]);
  const restart = { ...testTaskSpec('web').restart, condition: RestartCondition.NONE };
  expect(await moves({ a: 4, b: 0 }, { spec: { restart } })).toEqual([]);
});

test('moves nothing to a node on which the service keeps failing', async () => {
  const failures = Array.from({ length: 5 }, () => ({ nodeId: 'b', at: 0 }));
  const restarts = { attempts: 5, at: [], failures: 5, recent: failures };
  expect(await moves({ a: 4, b: 0, c: 0 }, { task: (task) => ({ ...task, restarts }) })).toEqual(['a→c', 'a→c']);
});
