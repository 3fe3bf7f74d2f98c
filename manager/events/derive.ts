import { isDeepStrictEqual } from 'node:util';
import { Attributes, type Happening } from '../../lib/events/event.js';
import {
  type Node,
  NodeAvailabilityName,
  NodeRoleName,
  NodeStateName,
  ReachabilityName,
  type Service,
  type Task,
  TaskStateName,
  UpdateStateName,
} from '../../proto/gen/index.js';
import { taskName } from '../../proto/task-names.js';
import { isAttachment } from '../common/tasks.js';
import { isEvent, type StoreEvent } from '../store/store.js';
import { nameOf } from '../store/tables.js';

/** An enum's names in lower case, as Docker writes them. */
function wordsOf(names: Readonly<Record<number, string>>): (value: number) => string {
  const words = new Map(Object.entries(names).map(([value, name]) => [Number(value), name.toLowerCase()]));
  return (value) => words.get(value) ?? String(value);
}

const updateState = wordsOf(UpdateStateName);
const nodeAvailability = wordsOf(NodeAvailabilityName);
const nodeRole = wordsOf(NodeRoleName);
const nodeState = wordsOf(NodeStateName);
const reachability = wordsOf(ReachabilityName);
const taskState = wordsOf(TaskStateName);

/**
 * What a change of the store means to people, as Docker tells it; undefined for what means nothing to them.
 * A function of its arguments alone, so that every manager has the same. Called for each change of 50,000 tasks.
 * @param hostname of a node, as known after the change
 */
export function happeningOf(
  event: StoreEvent,
  hostname: (nodeId: string) => string | undefined,
): Happening | undefined {
  const { action, kind, object } = event;
  if (isEvent(event, 'cluster')) return undefined;
  const attributes = new Attributes();
  if (isEvent(event, 'task')) {
    if (!isTold(event.object, event.old)) return undefined;
    describeTask(attributes, event.object, event.old, hostname);
  } else if (isEvent(event, 'service')) {
    if (isMeasurement(event.object, event.old)) return undefined;
    describeService(attributes, event.object, event.old);
  } else if (isEvent(event, 'node')) describeNode(attributes, event.object, event.old);
  else attributes.set('name', nameOf(event.kind, event.object));
  return { type: kind, action, id: object.id, attributes: attributes.values };
}

/** What a service that is scaled by load uses changes all the time; what is decided by it is told. */
function isMeasurement(service: Service, old: Service | undefined): boolean {
  if (!old || !service.autoscaleStatus || service.autoscaleStatus === old.autoscaleStatus) return false;
  return isDeepStrictEqual({ ...service, meta: old.meta, autoscaleStatus: old.autoscaleStatus }, old);
}

function describeService(attributes: Attributes, service: Service, old: Service | undefined): void {
  attributes.set('name', service.spec.name);
  if (!old) return;
  const { spec, updateStatus, jobStatus: job } = service;
  attributes
    .change('image', old.spec.task.container.image, spec.task.container.image)
    .change('replicas', old.spec.replicated?.replicas, spec.replicated?.replicas)
    .change('updatestate', old.updateStatus?.state, updateStatus?.state, updateState)
    .change('iteration', old.jobStatus?.iteration, job?.iteration);
  const { lastOutcome: ended, lastSkipped: skipped } = job ?? {};
  if (ended && ended.endedAt !== old.jobStatus?.lastOutcome?.endedAt)
    attributes
      .set('ended', ended.iteration)
      .set('completed', `${ended.completed}/${ended.total}`)
      .set('error', ended.message);
  const { last } = service.autoscaleStatus ?? {};
  if (last && last.at !== old.autoscaleStatus?.last?.at) attributes.set('reason', last.reason);
  if (skipped && skipped.dueAt !== old.jobStatus?.lastSkipped?.dueAt) attributes.set('skipped', skipped.reason);
}

function describeNode(attributes: Attributes, node: Node, old: Node | undefined): void {
  attributes.set('name', node.spec.name || node.description.hostname);
  if (!old) return;
  attributes
    .change('availability', old.spec.availability, node.spec.availability, nodeAvailability)
    .change('role', old.role, node.role, nodeRole)
    .change('state', old.status.state, node.status.state, nodeState)
    .change('leader', old.managerStatus?.leader, node.managerStatus?.leader)
    .change('reachability', old.managerStatus?.reachability, node.managerStatus?.reachability, reachability);
  // What a node lacks from now on; that it lacks it no more is told by the event alone.
  if (!isDeepStrictEqual(node.unallocated, old.unallocated))
    attributes.set('problem', node.unallocated.map(({ subject, message }) => `${subject}: ${message}`).join('; '));
}

/** People follow what becomes of a task, not its addresses; the containers of nodes in networks are the nodes' own. */
function isTold(task: Task, old: Task | undefined): boolean {
  if (isAttachment(task)) return false;
  return (
    old === undefined ||
    old.status.state !== task.status.state ||
    old.desiredState !== task.desiredState ||
    old.status.error !== task.status.error ||
    old.unconfirmedNodes.length !== task.unconfirmedNodes.length
  );
}

function describeTask(
  attributes: Attributes,
  task: Task,
  old: Task | undefined,
  hostname: (nodeId: string) => string | undefined,
): void {
  const { status, nodeId, slot } = task;
  attributes.set('name', taskName(task)).set('service', task.serviceName).set('service.id', task.serviceId);
  if (slot !== 0) attributes.set('slot', slot);
  if (nodeId !== '') attributes.set('node', hostname(nodeId)).set('node.id', nodeId);
  if (old)
    attributes
      .change('state', old.status.state, status.state, taskState)
      .change('desiredstate', old.desiredState, task.desiredState, taskState);
  attributes.set('error', status.error);
  if (task.unconfirmedNodes.length > 0)
    attributes.set('unconfirmed', task.unconfirmedNodes.map((id) => hostname(id) ?? id).join(','));
  if (status.state > (old?.status.state ?? status.state)) attributes.set('exitCode', status.container?.exitCode);
}
