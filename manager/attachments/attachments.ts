import type { Clock } from '../../lib/clock.js';
import {
  failedPrecondition,
  invalidArgument,
  permissionDenied,
  resourceExhausted,
  type SwarmError,
  unavailable,
} from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import type {
  AttachmentsService,
  AttachNetworkRequest,
  AttachNetworkResponse,
  DetachNetworkRequest,
  DetachNetworkResponse,
  Network,
  Task,
} from '../../proto/gen/index.js';
import { TaskState } from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import { isNoFreeAddress } from '../allocator/ledger.js';
import { checkRoutedAddresses, isRouted } from '../common/routed-options.js';
import { isAttachment, isStopped, isWanted, withDesiredState } from '../common/tasks.js';
import { resolve } from '../control/refs.js';
import { checkAddressesAreIn } from '../control/validate/addresses.js';
import { isEvent, type ReadView, type Store, type WriteView } from '../store/store.js';
import { attachmentOf, checkAttachRequest, newAttachment } from './task.js';

export interface AttachmentsOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** The node whose session it is. @throws FAILED_PRECONDITION for one that is not known, UNAVAILABLE elsewhere */
  readonly nodeOf: (sessionId: string, context: CallContext) => string;
}

/** How long a caller waits for addresses, those of a task that is on its way out included; milliseconds. */
const PATIENCE = 8_000;

/**
 * Gives containers that are no service's tasks endpoints in attachable networks. Each is written as a task that
 * has its node already; the allocator does the rest, as for all tasks, and what it says is the answer.
 */
export class Attachments {
  readonly #options: AttachmentsOptions;
  /** Tasks for whose addresses callers wait: how many. */
  readonly #callers = new Map<string, number>();

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  /** To be added to the server that nodes reach. */
  get handlers(): Handlers<typeof AttachmentsService> {
    return {
      attach: (request, context) => this.#attach(request, context),
      detach: (request, context) => this.#detach(request, context),
    };
  }

  async #attach(request: AttachNetworkRequest, context: CallContext): Promise<AttachNetworkResponse> {
    const { store, nodeOf } = this.#options;
    const nodeId = nodeOf(request.sessionId, context);
    checkAttachRequest(request);
    const awaited: string[] = [];
    const release = () => {
      for (const id of awaited.splice(0)) this.#count(id, -1);
    };
    try {
      const { taskId, network } = await store.update((draft) => this.#begin(draft, request, nodeId, awaited));
      return await this.#answer(taskId, network.id, context.signal, release);
    } finally {
      release();
    }
  }

  /** Writes the task, unless there is one. @param awaited gets its id */
  #begin(draft: WriteView, request: AttachNetworkRequest, nodeId: string, awaited: string[]) {
    const network = attachableNetwork(draft, request.network);
    if (isRouted(network)) checkRoutedAddresses(network, request.addresses, '');
    checkAddressesAreIn(network, request.addresses);
    this.#removeAbandoned(draft, nodeId);
    const known = attachmentOf(draft, nodeId, request.containerId, network.id);
    const id = known?.id ?? newId();
    const now = this.#options.clock.now();
    if (!known) draft.create('task', newAttachment(request, { id, nodeId, networkId: network.id, now }));
    this.#count(id, 1);
    awaited.push(id);
    return { taskId: id, network };
  }

  /** @param release to be called when this caller waits no more */
  async #answer(
    taskId: string,
    networkId: string,
    signal: AbortSignal,
    release: () => void,
  ): Promise<AttachNetworkResponse> {
    const { store } = this.#options;
    const answer = (task: Task) => ({ task, network: resolve(store.view(), 'network', networkId) });
    try {
      return answer(await this.#allocated(taskId, networkId, signal));
    } catch (error) {
      release();
      const task = await store.update((draft) => this.#withdraw(draft, taskId));
      if (task) return answer(task);
      throw error;
    }
  }

  async #detach({ sessionId, taskId }: DetachNetworkRequest, context: CallContext): Promise<DetachNetworkResponse> {
    const { store, clock, nodeOf } = this.#options;
    const nodeId = nodeOf(sessionId, context);
    await store.update((draft) => {
      const task = draft.get('task', taskId);
      if (!task || task.desiredState >= TaskState.REMOVE) return;
      if (!task.spec.attachment) throw invalidArgument(`task ${taskId} is no attachment`, { value: taskId });
      if (task.nodeId !== nodeId) throw permissionDenied(`attachment ${taskId} is another node's`, { value: taskId });
      draft.update('task', withDesiredState(task, TaskState.REMOVE, clock.now()));
    });
    return {};
  }

  /** The task when it has its addresses. @throws what the allocator says, or UNAVAILABLE when it says nothing */
  async #allocated(id: string, networkId: string, signal: AbortSignal): Promise<Task> {
    const { store, clock } = this.#options;
    let refusal: SwarmError | undefined;
    const settled = (task: Task | undefined): Task | undefined => {
      if (!task || isStopped(task) || !isWanted(task)) throw failedPrecondition('the attachment was removed meanwhile');
      if (task.status.state >= TaskState.ASSIGNED) return task;
      refusal = refusalOf(task);
      // What it lacks may be that of a container that has just been stopped: of itself, when it is started again.
      if (refusal && !isSomebodyLeaving(store.view(), networkId)) throw refusal;
      return undefined;
    };
    const ending = new AbortController();
    const cancel = clock.after(PATIENCE, () => ending.abort());
    try {
      const watch = store.watch(AbortSignal.any([signal, ending.signal]), ['task']);
      const known = settled(watch.snapshot.get('task', id));
      if (known) return known;
      for await (const { events } of watch.commits) {
        for (const event of events) {
          if (!isEvent(event, 'task') || event.object.id !== id) continue;
          const task = settled(event.action === 'remove' ? undefined : event.object);
          if (task) return task;
        }
      }
    } finally {
      cancel();
      ending.abort();
    }
    throw refusal ?? unavailable(`the managers gave no address within ${PATIENCE / 1000} s`, { value: id });
  }

  /** What an earlier leader could not finish: whoever had asked for it asks again. */
  #removeAbandoned(draft: WriteView, nodeId: string): void {
    for (const task of [...draft.tasksOfNode(nodeId)]) {
      const isUnfinished = isAttachment(task) && task.status.state < TaskState.ASSIGNED;
      if (isUnfinished && !this.#callers.has(task.id)) draft.remove('task', task.id);
    }
  }

  /**
   * What came to nothing leaves nothing, unless another caller waits for it still.
   * @returns the task, when its addresses have come just now
   */
  #withdraw(draft: WriteView, id: string): Task | undefined {
    const task = draft.get('task', id);
    if (!task || !isWanted(task)) return undefined;
    if (task.status.state >= TaskState.ASSIGNED) return task;
    if (!this.#callers.has(id)) draft.remove('task', id);
    return undefined;
  }

  #count(id: string, by: 1 | -1): void {
    const callers = (this.#callers.get(id) ?? 0) + by;
    if (callers > 0) this.#callers.set(id, callers);
    else this.#callers.delete(id);
  }
}

function attachableNetwork(view: ReadView, ref: string): Network {
  const network = resolve(view, 'network', ref);
  if (network.spec.attachable) return network;
  throw failedPrecondition(`network ${network.spec.name} is not attachable: it is for services only`, {
    value: ref,
    hint: 'A network for containers too is made with "tsswarm network create --attachable -d overlay NAME".',
  });
}

/** What the allocator says when it cannot give addresses; undefined while it has not looked. */
function refusalOf({ status: { error } }: Task): SwarmError | undefined {
  if (error === '') return undefined;
  return isNoFreeAddress(error) ? resourceExhausted(error) : failedPrecondition(error);
}

function isSomebodyLeaving(view: ReadView, networkId: string): boolean {
  for (const task of view.tasksOfNetwork(networkId)) if (!isWanted(task) && !isStopped(task)) return true;
  return false;
}
