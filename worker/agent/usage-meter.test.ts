import { expect, test } from 'vitest';
import { Task, TaskState, TaskStatus } from '../../proto/gen/index.js';
import type { LoadCounters } from '../executor/interactive.js';
import { UsageMeter } from './usage-meter.js';

function meter() {
  const tasks = new Map<string, { serviceId: string; state: TaskState; counters: LoadCounters | undefined }>();
  const set = (id: string, ms: number, cpuMs: number, connections = 0, serviceId = 'web') => {
    const counters = { readAtNs: BigInt(ms) * 1_000_000n, cpuNs: cpuMs * 1e6, connections };
    tasks.set(id, { serviceId, state: TaskState.RUNNING, counters });
  };
  const local = (id: string, serviceId: string, state: TaskState) => ({
    task: Task.create({ id, serviceId }),
    status: TaskStatus.create({ state }),
    assigned: true,
    networks: [],
  });
  const usage = new UsageMeter({
    tasks: () => [...tasks].map(([id, { serviceId, state }]) => local(id, serviceId, state)),
    load: (id) => tasks.get(id)?.counters,
  });
  return { tasks, set, usage };
}

test('usage - the average between two readings, of the services that are asked for', () => {
  const { set, usage } = meter();
  set('a', 1_000, 100);
  set('other', 1_000, 100, 0, 'db');
  expect(usage.usage()).toEqual([]);
  usage.measure(['web']);
  expect(usage.usage()).toEqual([]);
  set('a', 3_000, 600, 10);
  expect(usage.usage()).toEqual([{ taskId: 'a', nanoCpus: 250_000_000, connectionsPerSecond: 5 }]);
  usage.measure([]);
  expect(usage.usage()).toEqual([]);
});

test('usage - a reading too soon after the last one tells what that one told', () => {
  const { set, usage } = meter();
  usage.measure(['web']);
  set('a', 0, 0);
  usage.usage();
  set('a', 1_000, 200);
  usage.usage();
  set('a', 1_100, 300);
  expect(usage.usage()).toMatchObject([{ nanoCpus: 200_000_000 }]);
  set('a', 2_000, 700);
  expect(usage.usage()).toMatchObject([{ nanoCpus: 500_000_000 }]);
});

test('usage - of what does not run there is none, and it begins anew', () => {
  const { set, usage, tasks } = meter();
  usage.measure(['web']);
  set('a', 0, 0);
  usage.usage();
  set('a', 1_000, 100);
  const task = tasks.get('a');
  if (task) tasks.set('a', { ...task, state: TaskState.FAILED });
  expect(usage.usage()).toEqual([]);
  set('a', 2_000, 200);
  expect(usage.usage()).toEqual([]);
  set('a', 3_000, 100);
  expect(usage.usage()).toMatchObject([{ nanoCpus: 0 }]);
});
