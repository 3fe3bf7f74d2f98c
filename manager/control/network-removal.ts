import type { Clock } from '../../lib/clock.js';
import { failedPrecondition } from '../../lib/errors.js';
import { type Network, PublishMode, type Service, type Task, TaskState } from '../../proto/gen/index.js';
import type { CallContext } from '../../proto/rpc/server.js';
import { taskName } from '../../proto/task-names.js';
import { isAttachment, isLost, isStopped, isWanted } from '../common/tasks.js';
import type { ReadView, Store } from '../store/store.js';
import { resolve } from './refs.js';

/** As long as a task may take that is to stop: other nodes' acknowledgements, and its grace; milliseconds. */
const PATIENCE = 20_000;

/**
 * Removes a network that nobody uses. It waits a while for tasks that are on their way out: as long as one is on
 * some node its addresses, and the network's VNI, must not be another's.
 * @throws FAILED_PRECONDITION that names who uses it
 */
export async function removeNetwork(
  store: Store,
  clock: Clock,
  ref: string,
  call: Pick<CallContext, 'signal' | 'requestId'>,
): Promise<void> {
  const { id } = resolve(store.view(), 'network', ref);
  await untilLeft(store, clock, id, call.signal);
  await store.update((draft) => {
    const network = resolve(draft, 'network', id);
    checkIsUnused(draft, network);
    draft.remove('network', id);
  }, call.requestId);
}

interface Users {
  readonly services: readonly Service[];
  /** Tasks and containers that stay. */
  readonly staying: readonly Task[];
  /** Tasks that are to stop and have not. */
  readonly leaving: readonly Task[];
}

function usersOf(view: ReadView, network: Network): Users {
  const services = network.spec.ingress ? publishers(view) : [...view.servicesOfNetwork(network.id)];
  const ids = new Set(services.map(({ id }) => id));
  // What a service has shows in the service.
  const tasks = [...view.tasksOfNetwork(network.id)].filter(
    (t) => !isStopped(t) && !ids.has(t.serviceId) && !isAsking(t),
  );
  const stays = (task: Task) => isWanted(task) && (isAttachment(task) || view.get('service', task.serviceId));
  return { services, staying: tasks.filter(stays), leaving: tasks.filter((task) => !stays(task)) };
}

/** An attachment that has nothing yet has no hold on the network: it is refused when that is gone. */
function isAsking(task: Task): boolean {
  return isAttachment(task) && task.status.state < TaskState.ASSIGNED;
}

/** Resolves when no task is leaving, or all that are on nodes that cannot say so; or when it has taken too long. */
async function untilLeft(store: Store, clock: Clock, id: string, signal: AbortSignal): Promise<void> {
  const mayLeave = (view: ReadView): boolean => {
    const network = view.get('network', id);
    if (!network) return false;
    const { services, staying, leaving } = usersOf(view, network);
    if (services.length + staying.length > 0) return false;
    return leaving.some(({ nodeId }) => !isLost(view.get('node', nodeId)));
  };
  if (!mayLeave(store.view())) return;
  const ending = new AbortController();
  const cancel = clock.after(PATIENCE, () => ending.abort());
  try {
    const either = AbortSignal.any([signal, ending.signal]);
    const { commits } = store.watch(either, ['task', 'node', 'service', 'network']);
    if (!mayLeave(store.view())) return;
    for await (const _ of commits) if (!mayLeave(store.view())) return;
  } finally {
    cancel();
    ending.abort();
  }
}

function checkIsUnused(view: ReadView, network: Network): void {
  const { services, staying, leaving } = usersOf(view, network);
  const containers = staying.filter(isAttachment);
  const tasks = staying.filter((task) => !isAttachment(task));
  const what = [
    ...listed(
      'service',
      services.map((service) => service.spec.name),
    ),
    ...listed('task', tasks.map(taskName)),
    ...listed(
      'container',
      containers.map((task) => `${taskName(task)} on ${nodeName(view, task)}`),
    ),
  ];
  const { name, ingress } = network.spec;
  if (what.length > 0) {
    throw failedPrecondition(`network ${name} is in use by ${what.join(' and ')}`, {
      value: name,
      hint: ingress ? 'Its services publish ports on all nodes.' : 'Remove, update or disconnect these first.',
    });
  }
  const stopping = listed(
    'task',
    leaving.map((task) => `${taskName(task)} on ${nodeName(view, task)}`),
  );
  if (stopping.length === 0) return;
  throw failedPrecondition(`network ${name} is still in use by ${stopping.join()}, which is to stop and has not`, {
    value: name,
    hint: 'Wait for it; when its node does not come back, remove that with "tsswarm node rm --force NODE".',
  });
}

function publishers(view: ReadView): Service[] {
  return [...view.list('service')].filter((service) =>
    [...service.spec.endpoint.ports, ...service.endpoint.ports].some((p) => p.publishMode === PublishMode.INGRESS),
  );
}

function nodeName(view: ReadView, { nodeId }: Task): string {
  const node = view.get('node', nodeId);
  if (!node) return 'no node yet';
  const name = node.description.hostname || node.id;
  return isLost(node) ? `${name} (down)` : name;
}

const MOST_NAMES = 5;

/** "tasks a, b and 3 more", or nothing. */
function listed(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
  return [`${what}${names.length > 1 ? 's' : ''} ${names.slice(0, MOST_NAMES).join(', ')}${more}`];
}
