import {
  type Node,
  type NodeSpec,
  type NodeState,
  type ServiceSpec,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { Allocator } from '../allocator/allocator.js';
import { isHeldBack, isStopped, isWanted } from '../common/tasks.js';
import { Dependencies } from '../dependencies/dependencies.js';
import { Orchestrator } from '../orchestrator/orchestrator.js';
import { Rebalancer } from '../rebalancer/rebalancer.js';
import { Scheduler } from '../scheduler/scheduler.js';
import { runLoops } from './loops.js';
import { changeSpec, testCluster, testNode, testService } from './objects.js';

/**
 * A swarm with all loops that decide which tasks there are and where; the test plays the agents by `obey`.
 * Nodes are named, with labels where they are given.
 */
export async function placed(...nodes: readonly (string | readonly [string, Record<string, string>])[]) {
  const loops = await runLoops(Orchestrator, Allocator, Scheduler, Dependencies, Rebalancer);
  const { store, clock, settle, tasks, report } = loops;
  const cluster = testCluster();
  const made = nodes.map((node) => {
    const [name, labels] = typeof node === 'string' ? [node, {}] : node;
    const plain = testNode(name);
    return { ...plain, spec: { ...plain.spec, labels } };
  });
  await store.update((draft) => [draft.create('cluster', cluster), made.map((n) => draft.create('node', n))]);
  await settle();
  const idOf = (name: string) => made.find((node) => node.description.hostname === name)?.id ?? '';
  const nameOf = (id: string) => made.find((node) => node.id === id)?.description.hostname ?? id;
  const wanted = (id: string) => tasks(id).filter(isWanted);

  /** One round of what agents do: tasks run, or fail where `fails` says so, and stop when they are to. */
  const obeyOnce = async (id: string, fails: (task: Task) => boolean = () => false): Promise<boolean> => {
    const before = store.view().version;
    for (const task of tasks(id)) {
      const { state } = task.status;
      if (!isWanted(task) && !isStopped(task)) await report(task, TaskState.SHUTDOWN);
      else if (isWanted(task) && !isHeldBack(task) && task.nodeId !== '')
        if (state >= TaskState.ASSIGNED && state < TaskState.RUNNING)
          await report(task, fails(task) ? TaskState.FAILED : TaskState.RUNNING);
    }
    await settle();
    return store.view().version !== before;
  };
  return {
    ...loops,
    idOf,
    nameOf,
    wanted,
    obeyOnce,
    /** Rounds until nothing changes any more. */
    async obey(id: string, fails?: (task: Task) => boolean) {
      while (await obeyOnce(id, fails));
    },
    async add(name: string, replicas: number, fields: Partial<ServiceSpec> = {}) {
      const service = testService(name, replicas, fields);
      await store.update((draft) => draft.create('service', { ...service, specVersion: draft.version + 1 }));
      await settle();
      return service.id;
    },
    async change(id: string, spec: (spec: ServiceSpec) => ServiceSpec) {
      await changeSpec(store, id, spec);
      await settle();
    },
    service: (id: string) => store.view().get('service', id),
    async setNode(name: string, fields: { state?: NodeState; spec?: Partial<NodeSpec> }) {
      await store.update((draft) => {
        const node: Node | undefined = draft.get('node', idOf(name));
        if (!node) throw new RangeError(`no node ${name}`);
        const status = { ...node.status, state: fields.state ?? node.status.state };
        draft.update('node', { ...node, status, spec: { ...node.spec, ...fields.spec } });
      });
      await clock.advance(100); // what found no room is tried again
      await settle();
    },
    /** How many running tasks that are wanted are on each node: `{ node1: 2 }`. */
    spread(id: string): Record<string, number> {
      const counts: Record<string, number> = {};
      for (const { nodeId, status } of wanted(id))
        if (status.state === TaskState.RUNNING) counts[nameOf(nodeId)] = (counts[nameOf(nodeId)] ?? 0) + 1;
      return counts;
    },
  };
}
