import { expect, test } from 'vitest';
import {
  AutoscaleStatus,
  JobOutcome,
  JobStatus,
  NodeAvailability,
  NodeRole,
  NodeState,
  NodeStatus,
  Reachability,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
  UpdateState,
} from '../../proto/gen/index.js';
import { testCluster, testNetwork, testNode, testService } from '../testing/objects.js';
import { happeningOf } from './derive.js';

const hostname = (id: string) => (id === 'n1' ? 'node1' : undefined);
const task = Task.create({
  id: 't1',
  serviceId: 's1',
  serviceName: 'web',
  slot: 2,
  nodeId: 'n1',
  status: TaskStatus.create({ state: TaskState.RUNNING }),
  desiredState: TaskState.RUNNING,
});
const told = { name: 'web.2.t1', service: 'web', 'service.id': 's1', slot: '2', node: 'node1', 'node.id': 'n1' };

test('services - image, replicas and the state of the update, old and new', () => {
  const old = testService('web', 2);
  const container = { ...old.spec.task.container, image: 'web:2' };
  const service = {
    ...old,
    spec: { ...old.spec, replicated: { replicas: 3 }, task: { ...old.spec.task, container } },
    updateStatus: { state: UpdateState.ROLLBACK_STARTED, startedAt: 0, completedAt: 0, message: '' },
  };
  const create = happeningOf({ action: 'create', kind: 'service', object: old }, hostname);
  expect(create).toEqual({ type: 'service', action: 'create', id: old.id, attributes: { name: 'web' } });
  const update = happeningOf({ action: 'update', kind: 'service', object: service, old }, hostname);
  expect(update?.attributes).toEqual({
    name: 'web',
    'image.new': 'web:2',
    'replicas.old': '2',
    'replicas.new': '3',
    'updatestate.new': 'rollback_started',
  });
});

test('services - what load makes of them, and not how it is measured', () => {
  const status = AutoscaleStatus.create({ observedAt: 1, cpuPercent: 50 });
  const old = { ...testService('web', 2), autoscaleStatus: status };
  const told = (object: typeof old) => happeningOf({ action: 'update', kind: 'service', object, old }, hostname);
  const measured = { ...old, meta: { ...old.meta, version: 9 }, autoscaleStatus: { ...status, cpuPercent: 93 } };
  expect(told(measured)).toBeUndefined();
  const last = { from: 2, to: 4, at: 5, reason: 'cpu 93 % of 60 %' };
  const spec = { ...old.spec, replicated: { replicas: 4 } };
  expect(told({ ...measured, spec, autoscaleStatus: { ...status, last } })?.attributes).toEqual({
    name: 'web',
    'replicas.old': '2',
    'replicas.new': '4',
    reason: 'cpu 93 % of 60 %',
  });
});

test('jobs - a run that begins, how one ended, and why there was none', () => {
  const old = testService('job', 0, { replicated: undefined, globalJob: {} });
  const lastOutcome = JobOutcome.create({ iteration: 3, endedAt: 9, completed: 1, total: 2, message: 'broken' });
  const told = (before: Partial<JobStatus>, now: Partial<JobStatus>) => {
    const object = { ...old, jobStatus: JobStatus.create(now) };
    const event = {
      action: 'update',
      kind: 'service',
      object,
      old: { ...old, jobStatus: JobStatus.create(before) },
    } as const;
    return happeningOf(event, hostname)?.attributes;
  };
  expect(told({ iteration: 3 }, { iteration: 4, lastOutcome })).toEqual({
    name: 'job',
    'iteration.old': '3',
    'iteration.new': '4',
    ended: '3',
    completed: '1/2',
    error: 'broken',
  });
  const lastSkipped = { dueAt: 5, reason: 'the run before went on' };
  expect(told({ lastOutcome }, { lastOutcome, lastSkipped })).toEqual({ name: 'job', skipped: lastSkipped.reason });
  expect(told({ lastOutcome, lastSkipped }, { lastOutcome, lastSkipped })).toEqual({ name: 'job' });
});

test('nodes - availability, state, role, leadership, old and new', () => {
  const old = testNode('a', { role: NodeRole.WORKER });
  const object = {
    ...old,
    spec: { ...old.spec, availability: NodeAvailability.DRAIN },
    role: NodeRole.MANAGER,
    status: NodeStatus.create({ state: NodeState.DOWN }),
    managerStatus: { raftId: 1, address: '', leader: true, reachability: Reachability.UNREACHABLE },
  };
  expect(happeningOf({ action: 'update', kind: 'node', object, old }, hostname)?.attributes).toEqual({
    name: 'a',
    'availability.old': 'active',
    'availability.new': 'drain',
    'role.old': 'worker',
    'role.new': 'manager',
    'state.old': 'ready',
    'state.new': 'down',
    'leader.new': 'true',
    'reachability.new': 'unreachable',
  });
});

test('tasks - where they are, what became of them, and why', () => {
  const container = { containerId: 'c', pid: 0, exitCode: 3, oomKilled: false };
  const failed = {
    ...task,
    status: TaskStatus.create({ state: TaskState.FAILED, error: 'x'.repeat(600), container }),
    desiredState: TaskState.SHUTDOWN,
  };
  expect(happeningOf({ action: 'create', kind: 'task', object: task }, hostname)?.attributes).toEqual(told);
  expect(happeningOf({ action: 'update', kind: 'task', object: failed, old: task }, hostname)?.attributes).toEqual({
    ...told,
    'state.old': 'running',
    'state.new': 'failed',
    'desiredstate.old': 'running',
    'desiredstate.new': 'shutdown',
    error: `${'x'.repeat(511)}…`,
    exitCode: '3',
  });
});

test('tasks - that one was stopped without some nodes', () => {
  const object = { ...task, unconfirmedNodes: [task.nodeId, 'gone'] };
  const name = hostname(task.nodeId);
  expect(happeningOf({ action: 'update', kind: 'task', object, old: task }, hostname)?.attributes).toMatchObject({
    unconfirmed: `${name},gone`,
  });
});

test('tasks - changes that nobody follows, and the containers of nodes, are no events', () => {
  const object = { ...task, status: { ...task.status, message: 'started' } };
  expect(happeningOf({ action: 'update', kind: 'task', object, old: task }, hostname)).toBeUndefined();
  const attachment = { containerId: 'c', containerName: 'box' };
  const spec = { ...TaskSpec.create(), attachment: { ...attachment, networkId: 'n', addresses: [], aliases: [] } };
  const attached = Task.create({ id: 't', spec });
  expect(happeningOf({ action: 'create', kind: 'task', object: attached }, hostname)).toBeUndefined();
});

test('networks by name; the cluster not at all', () => {
  const network = testNetwork('front');
  expect(happeningOf({ action: 'remove', kind: 'network', object: network }, hostname)).toEqual({
    type: 'network',
    action: 'remove',
    id: network.id,
    attributes: { name: 'front' },
  });
  expect(happeningOf({ action: 'update', kind: 'cluster', object: testCluster() }, hostname)).toBeUndefined();
});
