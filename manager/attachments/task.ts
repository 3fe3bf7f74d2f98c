import { invalidArgument } from '../../lib/errors.js';
import { familyOf, parseAddress } from '../../lib/ip.js';
import {
  AttachmentSpec,
  type AttachNetworkRequest,
  NetworkAttachmentConfig,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { isStopped, isWanted } from '../common/tasks.js';
import { checkAlias } from '../control/validate/names.js';
import type { ReadView } from '../store/store.js';

export interface NewAttachment {
  readonly id: string;
  readonly nodeId: string;
  readonly networkId: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A task that needs addresses only: it is on its node from the first. */
export function newAttachment(request: AttachNetworkRequest, { id, nodeId, networkId, now }: NewAttachment): Task {
  const { containerId, containerName, aliases, addresses } = request;
  const network = NetworkAttachmentConfig.create({ target: networkId, aliases, addresses });
  return Task.create({
    id,
    nodeId,
    spec: TaskSpec.create({ networks: [network], attachment: AttachmentSpec.create({ containerId, containerName }) }),
    status: TaskStatus.create({ state: TaskState.NEW, timestamp: now, message: 'created' }),
    desiredState: TaskState.RUNNING,
    desiredStateSince: now,
  });
}

/** The attachment that a container of a node has to a network. */
export function attachmentOf(view: ReadView, nodeId: string, containerId: string, networkId: string): Task | undefined {
  for (const task of view.tasksOfNode(nodeId)) {
    if (task.spec.attachment?.containerId !== containerId || !isWanted(task) || isStopped(task)) continue;
    if (task.spec.networks.some(({ target }) => target === networkId)) return task;
  }
  return undefined;
}

const CONTAINER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const CONTAINER_ID = /^[0-9a-f]{64}$/;

/** @throws INVALID_ARGUMENT for what no state of the swarm makes right */
export function checkAttachRequest({ containerId, containerName, aliases, addresses }: AttachNetworkRequest): void {
  if (!CONTAINER_ID.test(containerId)) {
    throw invalidArgument(`"${containerId}" is not a container's id`, {
      value: containerId,
      hint: 'It has 64 hexadecimal digits.',
    });
  }
  if (!CONTAINER_NAME.test(containerName))
    throw invalidArgument(`"${containerName}" is not a container's name`, { value: containerName });
  aliases.forEach(checkAlias);
  const families = addresses.map((text) => parseAddress(text) && familyOf(text));
  if (new Set(families).size === families.length) return;
  throw invalidArgument(`addresses ${addresses.join(' and ')} are of one family: an endpoint has one of each`, {
    value: addresses.join(','),
  });
}
