import {
  type JobRun,
  type Node,
  NodeAvailability,
  NodeState,
  type Service,
  type Task,
  type TaskSpec,
  TaskState,
} from '../../proto/gen/index.js';
import { byAge, isDirty, isEvacuated, isGlobal, isJob, isWanted, slotKey } from '../common/tasks.js';
import { isUnderWay, runOf } from '../jobs/runs.js';
import { meetsAll } from '../scheduler/constraint.js';

/** What makes the tasks of a service what its spec asks for. */
export interface ServicePlan {
  readonly create: readonly NewSlot[];
  /** Tasks that are to stop and then to be forgotten. */
  readonly remove: readonly Task[];
  /** Slots with tasks of an older spec, for the update. */
  readonly dirty: readonly string[];
  /** What a slot has too much of: old tasks beyond the one that the update replaces. */
  readonly superseded: readonly Task[];
  /** Runs of a job, by iteration, in which nothing is left to do. */
  readonly over: readonly number[];
}

export interface NewSlot {
  readonly slot: number;
  readonly nodeId: string;
  /** Of a job: its run. */
  readonly iteration?: number;
}

/** A slot whose last task ended and by the service's restart policy has no successor. */
export type IsHeld = (newest: Task) => boolean;

/** Tasks by slot: all of one number, or for global services all of one node. */
function slotsOf(service: Service, tasks: Iterable<Task>): ReadonlyMap<string, readonly Task[]> {
  const slots = new Map<string, Task[]>();
  for (const task of tasks) {
    const key = slotKey(service, task);
    const slot = slots.get(key);
    if (slot) slot.push(task);
    else slots.set(key, [task]);
  }
  return slots;
}

export function planService(
  service: Service,
  tasks: Iterable<Task>,
  nodes: () => Iterable<Node>,
  isHeld: IsHeld,
): ServicePlan {
  const slots = slotsOf(service, tasks);
  if (isJob(service)) return planJob(service, slots, nodes, isHeld);
  return isGlobal(service) ? planGlobal(service, slots, nodes(), isHeld) : planReplicated(service, slots, isHeld);
}

function planReplicated(service: Service, slots: ReadonlyMap<string, readonly Task[]>, isHeld: IsHeld): ServicePlan {
  const replicas = service.spec.replicated?.replicas ?? 0;
  const live = [...slots].filter(([, tasks]) => isLive(tasks, isHeld));
  const surplus = new Set(chooseSurplus(live, live.length - replicas));
  const kept = live.filter(([key]) => !surplus.has(key));
  const used = new Set(live.map(([key]) => key));
  const create: NewSlot[] = [];
  for (let slot = 1; live.length + create.length < replicas; slot++) {
    if (!used.has(String(slot))) create.push({ slot, nodeId: '' });
  }
  // The history of a slot that comes back stays; that of others goes with them.
  const reused = new Set(create.map(({ slot }) => String(slot)));
  const keeps = new Set([...kept.map(([key]) => key), ...reused]);
  return {
    create,
    remove: [...slots].filter(([key]) => !keeps.has(key)).flatMap(([, tasks]) => tasks.filter(isRemovable)),
    dirty: kept.filter(([, tasks]) => needsUpdate(service, tasks)).map(([key]) => key),
    superseded: kept.flatMap(([, tasks]) => supersededOf(service, tasks)),
    over: [],
  };
}

/**
 * The slots to give up when there are `count` too many: those that do not run first, then from the
 * nodes that have most of them, so that what is left is spread evenly; the highest numbers first.
 */
export function chooseSurplus(
  slots: readonly (readonly [string, readonly Task[]])[],
  count: number,
): readonly string[] {
  if (count <= 0) return [];
  const perNode = new Map<string, number>();
  const ranked = slots
    .map(([key, tasks]) => ({ key, running: tasks.find(isRunning) }))
    .sort((a, b) => Number(a.key) - Number(b.key))
    .map(({ key, running }) => {
      const nodeId = running?.nodeId ?? '';
      const rank = perNode.get(nodeId) ?? 0;
      perNode.set(nodeId, rank + 1);
      return { key, running: running !== undefined, rank };
    });
  ranked.sort((a, b) => Number(a.running) - Number(b.running) || b.rank - a.rank || Number(b.key) - Number(a.key));
  return ranked.slice(0, count).map(({ key }) => key);
}

function planGlobal(
  service: Service,
  slots: ReadonlyMap<string, readonly Task[]>,
  nodes: Iterable<Node>,
  isHeld: IsHeld,
): ServicePlan {
  const create: NewSlot[] = [];
  const remove: Task[] = [];
  const dirty: string[] = [];
  const superseded: Task[] = [];
  const left = new Map(slots);
  for (const node of nodes) {
    const tasks = slots.get(node.id) ?? [];
    left.delete(node.id);
    if (!tolerates(node, service.spec.task)) {
      // Tasks whose own spec forbids the node too are being moved away already.
      remove.push(...tasks.filter((task) => isWanted(task) && tolerates(node, task.spec)));
    } else if (!isLive(tasks, isHeld)) {
      if (acceptsTasks(node)) create.push({ slot: 0, nodeId: node.id });
    } else if (needsUpdate(service, tasks)) {
      dirty.push(node.id);
      superseded.push(...supersededOf(service, tasks));
    }
  }
  for (const tasks of left.values()) remove.push(...tasks.filter(isRemovable));
  return { create, remove, dirty, superseded, over: [] };
}

/**
 * Each run that goes on gets the tasks that it lacks; tasks of all others stop. Runs beside each other
 * have slots of the same numbers, and know nothing of each other.
 */
function planJob(
  service: Service,
  slots: ReadonlyMap<string, readonly Task[]>,
  nodes: () => Iterable<Node>,
  isHeld: IsHeld,
): ServicePlan {
  const tasks = [...slots.values()].flat();
  const remove = tasks.filter(
    (task) => isUnderWay(task) && task.status.state <= TaskState.RUNNING && !runOf(service, task),
  );
  const runs = (service.jobStatus?.runs ?? []).map((run) => planRun(service, run, slots, nodes, isHeld));
  return {
    create: runs.flatMap(({ create }) => create),
    remove,
    dirty: [],
    superseded: [],
    over: runs.filter(({ isOver }) => isOver).map(({ iteration }) => iteration),
  };
}

function planRun(
  service: Service,
  { iteration, maxConcurrent, totalCompletions }: JobRun,
  slots: ReadonlyMap<string, readonly Task[]>,
  nodes: () => Iterable<Node>,
  isHeld: IsHeld,
): { readonly iteration: number; readonly create: readonly NewSlot[]; readonly isOver: boolean } {
  const own = (key: string) => (slots.get(key) ?? []).filter((task) => task.jobIteration?.iteration === iteration);
  const isTaken = (key: string) => {
    const tasks = own(key);
    return tasks.some(({ status }) => status.state === TaskState.COMPLETE) || isLive(tasks, isHeld);
  };
  const underWay = [...slots.keys()].flatMap(own).filter(isUnderWay);
  if (service.spec.globalJob) {
    const eligible = [...nodes()].filter((node) => acceptsTasks(node) && tolerates(node, service.spec.task));
    const free = eligible.filter((node) => !isTaken(node.id));
    const create = free.map((node) => ({ slot: 0, nodeId: node.id, iteration }));
    // Without a schedule it is for nodes that are added later too.
    const ends = service.spec.schedule !== undefined;
    return { iteration, create, isOver: ends && create.length + underWay.length === 0 };
  }
  const free = Array.from({ length: totalCompletions }, (_, i) => String(i + 1)).filter((key) => !isTaken(key));
  const room = Math.max(0, maxConcurrent - underWay.length);
  const create = free.slice(0, room).map((key) => ({ slot: Number(key), nodeId: '', iteration }));
  return { iteration, create, isOver: free.length + underWay.length === 0 };
}

/** Something in it is to run, or nothing is and that is right. */
function isLive(tasks: readonly Task[], isHeld: IsHeld): boolean {
  if (tasks.some(isWanted)) return true;
  const newest = [...tasks].sort(byAge).at(-1);
  return newest !== undefined && newest.desiredState < TaskState.REMOVE && isHeld(newest);
}

/**
 * Of the old tasks of a slot in which none is new, all but one: an update that another one took the place of
 * while it started new tasks first has left two. The one that runs, and has for longest, stays; so does the
 * heir of a task that leaves its node.
 */
export function supersededOf(service: Service, tasks: readonly Task[]): readonly Task[] {
  const old = [...tasks].filter(isWanted).sort(byAge);
  if (old.some((task) => !isDirty(service, task))) return [];
  const stays = old.find(isRunning) ?? old[0];
  return old.filter((task) => task !== stays && !old.some(({ id }) => id === task.replaces));
}

function needsUpdate(service: Service, tasks: readonly Task[]): boolean {
  const wanted = tasks.filter(isWanted);
  const shown = wanted.length > 0 ? wanted : [...tasks].sort(byAge).slice(-1);
  return shown.some((task) => isDirty(service, task));
}

function isRunning(task: Task): boolean {
  return isWanted(task) && task.status.state === TaskState.RUNNING;
}

function isRemovable(task: Task): boolean {
  return task.desiredState < TaskState.REMOVE;
}

/** Whether a new task may be made for this node. */
export function acceptsTasks(node: Node): boolean {
  return node.status.state === NodeState.READY && node.spec.availability === NodeAvailability.ACTIVE;
}

/** Whether a task that is on this node may stay there. */
export function tolerates(node: Node | undefined, spec: TaskSpec): boolean {
  return node !== undefined && !isEvacuated(node) && meetsAll(node, spec.placement.constraints);
}
