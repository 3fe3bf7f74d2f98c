import type { Task } from './gen/objects.js';

type Replica = Pick<Task, 'serviceName' | 'slot' | 'nodeId'>;

/** `web.1`, or of a global service `web.<node id>`: the same for all tasks that follow each other in a slot. */
export const slotName = ({ serviceName, slot, nodeId }: Replica): string => `${serviceName}.${slot || nodeId}`;

/** `web.1.<task id>`, `web.<node id>.<task id>`; the attachment of a container to a network has the container's name. */
export const taskName = (task: Task): string => task.spec.attachment?.containerName ?? `${slotName(task)}.${task.id}`;
