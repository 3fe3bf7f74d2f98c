import { isDeepStrictEqual } from 'node:util';
import {
  Endpoint,
  Meta,
  type Node,
  NodeAvailability,
  NodeState,
  type PortConfig,
  type Restarts,
  type Service,
  Task,
  type TaskSpec,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { isHostMode } from '../../proto/ports.js';
import { because, type Cause } from './changes.js';

/** Managers want it to run: its desired state is at most COMPLETE, which is what jobs have. */
export function isWanted(task: Task): boolean {
  return task.desiredState <= TaskState.COMPLETE;
}

/**
 * It is on its node, or finds one, and does not start yet. With desired state READY it is made ready meanwhile; with
 * ACCEPTED not even that, as when the one before it could not be.
 */
export function isHeldBack(task: Task): boolean {
  return task.desiredState < TaskState.RUNNING;
}

/** Nothing of it runs, or ever will: its addresses, ports and resources are free. */
export function isStopped(task: Task): boolean {
  return task.status.state > TaskState.RUNNING || (!isWanted(task) && task.status.state < TaskState.ASSIGNED);
}

/** A container of a node that is in a network: a task without a service, which is where it is. */
export function isAttachment(task: Task): boolean {
  return task.spec.attachment !== undefined;
}

/** It has a node, and no address yet in a network where addresses are the node's: it cannot start there. */
export function lacksAddress(task: Task): boolean {
  return isWanted(task) && task.nodeId !== '' && task.networks.some(({ addresses }) => addresses.length === 0);
}

/** It occupies its node: assigned and not yet stopped. */
export function occupiesNode(task: Task): boolean {
  return task.nodeId !== '' && task.status.state >= TaskState.ASSIGNED && task.status.state <= TaskState.RUNNING;
}

/** Nothing can be heard of what runs there. */
export function isLost(node: Node | undefined): boolean {
  return node === undefined || node.status.state === NodeState.DOWN;
}

/** A node that has left the swarm cannot prove itself any more. */
export function hasLeft(node: Node): boolean {
  return node.status.state === NodeState.DOWN && node.credentialDigest.length === 0;
}

/** Tasks must not stay there. */
export function isEvacuated(node: Node | undefined): boolean {
  return isLost(node) || node?.spec.availability === NodeAvailability.DRAIN;
}

export function isGlobal(service: Service): boolean {
  return service.spec.global !== undefined || service.spec.globalJob !== undefined;
}

export function isJob(service: Service): boolean {
  return service.spec.replicatedJob !== undefined || service.spec.globalJob !== undefined;
}

/** The desired state of a task of this service that is to do its work. */
export function runState(service: Service): TaskState {
  return isJob(service) ? TaskState.COMPLETE : TaskState.RUNNING;
}

/** Names a slot within its service: the number, or the node for global services. */
export function slotKey(service: Service, task: Task): string {
  return isGlobal(service) ? task.nodeId : String(task.slot);
}

export interface NewTask {
  readonly id: string;
  readonly slot: number;
  /** Given in advance for tasks of global services, else empty. */
  readonly nodeId: string;
  readonly desiredState: TaskState;
  /** Of a job: the run that it is of. The newest when left out. */
  readonly iteration?: number | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** For a task that is READY first: when it may start at the earliest; milliseconds since the epoch. */
  readonly startAfter?: number;
  /** The task that goes on until this one runs. */
  readonly replaces?: string;
  /** What its predecessors came to. */
  readonly restarts?: Restarts | undefined;
  /** What it is made for, when that is not the service as it is. */
  readonly cause?: Cause | undefined;
}

export function newTask(service: Service, { id, slot, nodeId, desiredState, iteration, now, ...more }: NewTask): Task {
  return Task.create({
    id,
    meta: Meta.create({ changeId: (more.cause ?? service).meta.changeId }),
    spec: service.spec.task,
    specVersion: service.specVersion,
    serviceId: service.id,
    serviceName: service.spec.name,
    serviceLabels: service.spec.labels,
    slot,
    nodeId,
    status: TaskStatus.create({ state: TaskState.NEW, timestamp: now, message: 'created' }),
    desiredState,
    desiredStateSince: now,
    startAfter: more.startAfter ?? 0,
    replaces: more.replaces ?? '',
    restarts: more.restarts,
    endpoint: Endpoint.create({ mode: service.spec.endpoint.mode }),
    jobIteration: isJob(service) ? { iteration: iteration ?? service.jobStatus?.iteration ?? 0 } : undefined,
  });
}

/** @param cause what has changed, so that this is wanted now; left out when it is the task itself */
export function withDesiredState(task: Task, desiredState: TaskState, now: number, cause?: Cause): Task {
  return because({ ...task, desiredState, desiredStateSince: now }, cause);
}

/** A task of which its node has told something new. */
export function withStatus(task: Task, status: TaskStatus): Task {
  const starts = status.state === TaskState.RUNNING && task.startedAt === 0;
  return { ...task, status, startedAt: starts ? status.timestamp : task.startedAt };
}

/** Whether its tasks must not start yet, because other services are not what they depend on. */
export function waitsForOthers(service: Service): boolean {
  return service.spec.dependsOn.length > 0 && !service.dependenciesMet;
}

/**
 * Whether the task was made from another spec than the service has now, so that an update replaces it.
 * Not for jobs, whose tasks belong to a run.
 */
export function isDirty(service: Service, task: Task): boolean {
  if (task.specVersion === service.specVersion && service.specVersion !== 0) return false;
  return !hasSameSpec(service, task) || (task.endpoint.allocated && !offers(task.endpoint, service.spec.endpoint));
}

/** By service object and the version of the spec of tasks: those of one version have the same spec. */
const comparisons = new WeakMap<Service, Map<number, boolean>>();

/** A change of the number of replicas must not cost a deep comparison for each of them. */
function hasSameSpec(service: Service, task: Task): boolean {
  let known = comparisons.get(service);
  if (!known) {
    known = new Map();
    comparisons.set(service, known);
  }
  const before = known.get(task.specVersion);
  if (before !== undefined) return before;
  const same = isDeepStrictEqual(withoutVirtualIps(task.spec), withoutVirtualIps(service.spec.task));
  known.set(task.specVersion, same);
  return same;
}

/** A virtual address is the service's, and changes without its tasks. */
function withoutVirtualIps(spec: TaskSpec): TaskSpec {
  return { ...spec, networks: spec.networks.map((network) => ({ ...network, virtualIp: '' })) };
}

/**
 * Whether its ports are as they are asked for, as far as a task has to do with them: those of its own node, and
 * whether it has an endpoint in the ingress network. What leads there, and by which port, is the nodes' affair, as
 * is the endpoint mode: both change without the tasks, so that connections by other ports go on.
 */
function offers(given: Endpoint, asked: { readonly ports: readonly PortConfig[] }): boolean {
  if (publishesOnIngress(given.ports) !== publishesOnIngress(asked.ports)) return false;
  return isDeepStrictEqual(given.ports.filter(isHostMode), asked.ports.filter(isHostMode));
}

/** Whether any of the ports is reached through every node. */
export function publishesOnIngress(ports: readonly PortConfig[]): boolean {
  return ports.some((port) => !isHostMode(port));
}

type Aging = Pick<Task, 'id'> & { readonly meta: { readonly createdAt: number } };

/** Newest last, by the time at which it was made. */
export function byAge(a: Aging, b: Aging): number {
  return a.meta.createdAt - b.meta.createdAt || (a.id < b.id ? -1 : 1);
}
