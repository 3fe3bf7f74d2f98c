import { codeOf, notFound } from '../../lib/errors.js';
import type { Node, Service, Task } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import { type Choice, chooseTask, type Need } from './task-choice.js';

/** A task and where it is. */
export interface Found extends Choice {
  /** Its node's host name. */
  readonly node: string;
}

/**
 * The task that is meant by SERVICE (any of its tasks), SERVICE.SLOT or, of a global service, SERVICE.NODE, or a task's
 * own name, id, or the beginning of the id.
 * @param onNode name or id of the node that it is to be on
 * @throws NOT_FOUND, or FAILED_PRECONDITION when it is there but will not do
 */
export async function findTask(context: Context, ref: string, need: Need, onNode?: string): Promise<Found> {
  const [control, { nodeId: here }] = await Promise.all([
    context.control(),
    context.agent().then((agent) => agent.info({})),
  ]);
  const wanted = onNode === undefined ? undefined : await nodeNamed(context, onNode === 'self' ? here : onNode);
  const tasks = await tasksNamed(context, ref);
  const there = wanted ? tasks.filter(({ nodeId }) => nodeId === wanted.id) : tasks;
  const what = wanted ? `${ref} on ${wanted.description.hostname}` : ref;
  const choice = chooseTask(what, there, need, here);
  const { nodeId } = choice.task;
  const node = nodeId === '' ? '' : (await control.getNode({ ref: nodeId })).node.description.hostname || nodeId;
  return { ...choice, node };
}

async function tasksNamed(context: Context, ref: string): Promise<readonly Task[]> {
  const whole = await serviceNamed(context, ref);
  if (whole) return tasksOf(context, whole);
  const dot = ref.lastIndexOf('.');
  const service = dot > 0 ? await serviceNamed(context, ref.slice(0, dot)) : undefined;
  if (service) return tasksAt(context, service, ref.slice(dot + 1));
  const task = await orNone(async () => (await (await context.control()).getTask({ ref })).task);
  if (!task) throw notFound(`no such task or service: ${ref}`, { value: ref });
  return [task];
}

/** Of a slot, or of a node where each has one. */
async function tasksAt(context: Context, service: Service, place: string): Promise<readonly Task[]> {
  const tasks = await tasksOf(context, service);
  const isGlobal = service.spec.global !== undefined || service.spec.globalJob !== undefined;
  if (!isGlobal) return tasks.filter(({ slot }) => String(slot) === place);
  const node = await nodeNamed(context, place);
  return tasks.filter(({ nodeId }) => nodeId === node.id);
}

async function tasksOf(context: Context, service: Service): Promise<readonly Task[]> {
  const control = await context.control();
  return (await control.listTasks({ filters: [{ key: 'service', values: [service.id] }] })).tasks;
}

async function nodeNamed(context: Context, ref: string): Promise<Node> {
  return (await (await context.control()).getNode({ ref })).node;
}

async function serviceNamed(context: Context, ref: string): Promise<Service | undefined> {
  return orNone(async () => (await (await context.control()).getService({ ref })).service);
}

async function orNone<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}
