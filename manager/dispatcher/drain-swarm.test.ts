import { expect, test, vi } from 'vitest';
import { silentLogger } from '../../lib/log.js';
import {
  EndpointMode,
  type EndpointRecord,
  EndpointState,
  HealthState,
  NodeState,
  PortConfig,
  type Service,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import type { FakeAgent } from '../testing/fake-agent.js';
import { changeSpec } from '../testing/objects.js';
import { TestSwarm } from '../testing/swarm.js';
import type { DrainTimeouts } from './drain.js';

// Other tests share the machine.
vi.setConfig({ testTimeout: 60_000 });

/** However busy the machine is, no node is taken for dead, and no wait ends by its time-out. */
const HEARTBEAT = 60_000;
const PATIENT: DrainTimeouts = { stopping: 120_000, unhealthy: 120_000 };
/** Of tests in which a node is to be down. */
const SHORT_HEARTBEAT = 1_000;
const published = {
  endpoint: { mode: EndpointMode.VIP, ports: [PortConfig.create({ targetPort: 80, publishedPort: 8080 })] },
};

function stateAt(agent: FakeAgent, taskId: string): EndpointState | undefined {
  const records = [...agent.assigned].filter(([key]) => key.startsWith('endpoint '));
  return records.map(([, item]) => item as EndpointRecord).find((record) => record.taskId === taskId)?.state;
}

interface Scene {
  readonly swarm: TestSwarm;
  readonly web: Service;
  /** The last task of a published service with one on each of three nodes. */
  readonly task: Task;
  /** Its node, and another one. */
  readonly owner: FakeAgent;
  readonly other: FakeAgent;
  readonly scaleDown: () => Promise<unknown>;
  /** What the task's own node has been told of it last. */
  readonly told: () => Task | undefined;
  readonly isDrainingAt: (...agents: readonly FakeAgent[]) => boolean;
}

interface Setting {
  readonly heartbeat?: number;
  readonly drainTimeouts?: DrainTimeouts;
}

async function scene({ heartbeat = HEARTBEAT, drainTimeouts }: Setting = {}): Promise<Scene> {
  const swarm = await TestSwarm.start(3, heartbeat, silentLogger, { ...PATIENT, ...drainTimeouts });
  const web = await swarm.create('web', 3, published);
  await swarm.until(() => swarm.running(web.id).length === 3);
  // Slots are alike, so the highest number goes.
  const task = swarm.running(web.id).find(({ slot }) => slot === 3);
  const owner = swarm.agents.find((agent) => agent.nodeId === task?.nodeId);
  const other = swarm.agents.find((agent) => agent !== owner);
  if (!task || !owner || !other) throw new RangeError('three tasks on three nodes were expected');
  await swarm.until(() => swarm.agents.every((agent) => stateAt(agent, task.id) === EndpointState.SERVING));
  return {
    swarm,
    web,
    task,
    owner,
    other,
    scaleDown: () => changeSpec(swarm.store, web.id, (spec) => ({ ...spec, replicated: { replicas: 2 } })),
    told: () => owner.tasks().find(({ id }) => id === task.id),
    isDrainingAt: (...agents) => agents.every((agent) => stateAt(agent, task.id) === EndpointState.DRAINING),
  };
}

async function gone({ swarm, web, owner, task }: Scene): Promise<void> {
  await swarm.until(() => swarm.tasks(web.id).length === 2);
  expect(owner.tasksSeen.at(-1)).toMatchObject({ id: task.id, desiredState: TaskState.REMOVE });
}

test('a task hears that it is to stop when every node has taken it out', async () => {
  const s = await scene();
  s.other.acknowledges = false;
  await s.scaleDown();
  await s.swarm.until(() => s.isDrainingAt(...s.swarm.agents));
  expect(s.told()?.desiredState).toBe(TaskState.RUNNING);
  await s.other.acknowledge();
  await gone(s);
});

test('a node whose daemon restarts is waited for: its kernel goes on sending', async () => {
  const s = await scene();
  await s.other.vanish();
  await s.scaleDown();
  await s.swarm.until(() => s.isDrainingAt(...s.swarm.agents.filter((agent) => agent !== s.other)));
  s.other.acknowledges = false;
  await s.other.connect();
  expect(s.isDrainingAt(s.other)).toBe(true);
  expect(s.told()?.desiredState).toBe(TaskState.RUNNING);
  await s.other.acknowledge();
  await gone(s);
});

test('a node that vanishes before it has acknowledged is waited for too', async () => {
  const s = await scene();
  s.other.acknowledges = false;
  await s.scaleDown();
  await s.swarm.until(() => s.isDrainingAt(...s.swarm.agents));
  await s.other.vanish();
  await s.other.connect();
  expect(s.told()?.desiredState).toBe(TaskState.RUNNING);
  await s.other.acknowledge();
  await gone(s);
});

test('the task’s own node, back after a restart, hears first that others are to be sent to', async () => {
  const s = await scene();
  await s.owner.vanish();
  await s.scaleDown();
  await s.swarm.until(() => s.isDrainingAt(s.other));
  s.owner.acknowledges = false;
  await s.owner.connect();
  expect(s.isDrainingAt(s.owner)).toBe(true);
  expect(s.told()?.desiredState).toBe(TaskState.RUNNING);
  await s.owner.acknowledge();
  await gone(s);
});

test('a node that is down is not waited for', async () => {
  const s = await scene({ heartbeat: SHORT_HEARTBEAT });
  await s.other.vanish();
  await s.scaleDown();
  await s.swarm.until(() => s.isDrainingAt(s.owner));
  await s.swarm.until(() => s.told() === undefined || s.told()?.desiredState === TaskState.REMOVE);
  // Until then it was.
  expect(s.swarm.store.view().get('node', s.other.nodeId)?.status.state).toBe(NodeState.DOWN);
});

test('a node that was down and is back stops sending to its own tasks before they stop', async () => {
  const s = await scene({ heartbeat: SHORT_HEARTBEAT });
  await s.owner.vanish();
  const isReplaced = () => s.swarm.store.view().get('task', s.task.id)?.desiredState !== TaskState.RUNNING;
  await s.swarm.until(isReplaced);
  s.owner.acknowledges = false;
  await s.owner.connect();
  expect(s.told()?.desiredState).toBe(TaskState.RUNNING);
  await s.owner.acknowledge();
  await s.swarm.until(() => (s.told()?.desiredState ?? TaskState.REMOVE) > TaskState.COMPLETE);
});

test('a manager that takes over waits for all nodes, for it does not know what they were told', async () => {
  const s = await scene();
  s.other.acknowledges = false;
  await s.scaleDown();
  await s.swarm.until(() => s.isDrainingAt(...s.swarm.agents));
  for (const agent of s.swarm.agents) await agent.vanish();
  await s.swarm.restart();
  for (const agent of s.swarm.agents) await agent.connect();
  expect(s.told()?.desiredState).toBe(TaskState.RUNNING);
  await s.other.acknowledge();
  await gone(s);
});

test('who has not confirmed in time is named, and the task stops all the same', async () => {
  const s = await scene({ drainTimeouts: { stopping: 300 } });
  s.other.acknowledges = false;
  s.owner.runs = false;
  await s.scaleDown();
  const stored = () => s.swarm.store.view().get('task', s.task.id);
  await s.swarm.until(() => s.told()?.desiredState === TaskState.REMOVE);
  await s.swarm.until(() => stored()?.unconfirmedNodes.join() === s.other.nodeId, 30_000, stored);
});

test('an unhealthy task is let go by its node when every node has taken it out', async () => {
  const s = await scene();
  s.other.acknowledges = false;
  await s.owner.report(s.task.id, TaskState.RUNNING, undefined, HealthState.UNHEALTHY);
  await s.swarm.until(() => s.isDrainingAt(...s.swarm.agents));
  expect(s.told()).toMatchObject({ desiredState: TaskState.RUNNING, withdrawn: false });
  await s.other.acknowledge();
  await s.swarm.until(() => s.told()?.withdrawn === true);
});

test('an unhealthy task that is then told to stop hears of it when it is out', async () => {
  const s = await scene();
  s.other.acknowledges = false;
  await s.owner.report(s.task.id, TaskState.RUNNING, undefined, HealthState.UNHEALTHY);
  await s.swarm.until(() => s.isDrainingAt(...s.swarm.agents));
  await s.swarm.store.update((draft) => draft.remove('service', s.web.id));
  await s.swarm.until(() => s.swarm.tasks(s.web.id).every(({ desiredState }) => desiredState === TaskState.REMOVE));
  expect(s.told()?.desiredState).toBe(TaskState.RUNNING);
  await s.other.acknowledge();
  await s.swarm.until(() => s.swarm.tasks(s.web.id).length === 0 || s.told()?.desiredState === TaskState.REMOVE);
});

test('a node that never confirms that it has taken out an unhealthy task is waited for no longer than an unhealthy task may wait', async () => {
  const s = await scene({ drainTimeouts: { unhealthy: 300 } });
  s.other.acknowledges = false;
  await s.owner.report(s.task.id, TaskState.RUNNING, undefined, HealthState.UNHEALTHY);
  await s.swarm.until(() => s.told()?.withdrawn === true);
  const stored = () => s.swarm.store.view().get('task', s.task.id)?.unconfirmedNodes.join();
  await s.swarm.until(() => stored() === s.other.nodeId, 30_000, stored);
});
