import {
  type NodeSpec,
  type NodeState,
  type Service,
  type ServiceSpec,
  type Task,
  TaskState,
  TaskStateName,
} from '../../proto/gen/index.js';
import { isHeldBack, isStopped, isWanted, withStatus } from '../common/tasks.js';
import { Orchestrator } from '../orchestrator/orchestrator.js';
import { type LoopClass, runLoops } from './loops.js';
import { changeSpec, testCluster, testNode, testService } from './objects.js';

/** Slots (or nodes) with their tasks in words: `RUNNING→SHUTDOWN` is observed and desired state, oldest first. */
export function words(
  tasks: readonly Task[],
  by: (task: Task) => string = (task) => String(task.slot),
): Record<string, string[]> {
  const slots: Record<string, string[]> = {};
  for (const task of [...tasks].sort(
    (a, b) => a.meta.version - b.meta.version || a.meta.createdAt - b.meta.createdAt,
  )) {
    const text = `${TaskStateName[task.status.state]}→${TaskStateName[task.desiredState]}`;
    slots[by(task)] = [...(slots[by(task)] ?? []), text].sort();
  }
  return slots;
}

/** A swarm with an orchestrator alone; the test plays scheduler and agents. */
export function orchestrated(...names: readonly string[]) {
  return orchestratedBy([Orchestrator], ...names);
}

/** The same with other loops. */
export async function orchestratedBy(classes: readonly LoopClass[], ...names: readonly string[]) {
  const loops = await runLoops(...classes);
  const { store, clock, settle, tasks, report } = loops;
  const nodes = names.map((name) => testNode(name));
  await store.update((draft) => [draft.create('cluster', testCluster()), nodes.map((n) => draft.create('node', n))]);
  const add = async (name: string, replicas: number, fields: Partial<ServiceSpec> = {}) => {
    const service = testService(name, replicas, fields, loops.clock.now());
    await store.update((draft) => draft.create('service', service));
    await settle();
    return service.id;
  };
  /** What the scheduler and the agents would do: every wanted task gets a node and reaches its state. */
  const runAll = async (serviceId: string) => {
    for (const [i, task] of tasks(serviceId).entries()) {
      if (!isWanted(task) || task.status.state >= TaskState.RUNNING) continue;
      const nodeId = task.nodeId || (nodes[i % nodes.length]?.id ?? '');
      const state = isHeldBack(task) ? task.desiredState : TaskState.RUNNING;
      const status = { ...task.status, state, timestamp: clock.now() };
      await store.update((draft) => draft.update('task', withStatus({ ...task, nodeId }, status)));
    }
    await settle();
  };
  const stopUnwanted = async (serviceId: string) => {
    for (const task of tasks(serviceId))
      if (!isWanted(task) && !isStopped(task)) await report(task, TaskState.SHUTDOWN);
  };
  const setNode = async (i: number, fields: { state?: NodeState; spec?: Partial<NodeSpec> }) => {
    await store.update((draft) => {
      const node = draft.get('node', nodes[i]?.id ?? '');
      if (!node) return;
      const status = { ...node.status, state: fields.state ?? node.status.state };
      draft.update('node', { ...node, status, spec: { ...node.spec, ...fields.spec } });
    });
    await settle();
  };
  const change = async (id: string, spec: (spec: ServiceSpec) => ServiceSpec, changeId?: string) => {
    await changeSpec(store, id, spec, changeId);
    await settle();
  };
  const service = (id: string): Service | undefined => store.view().get('service', id);
  const wanted = (id: string) => tasks(id).filter(isWanted);
  return { ...loops, nodes, add, runAll, stopUnwanted, setNode, change, service, wanted };
}
