import type { Task } from './gen/objects.js';

type Replica = Pick<Task, 'serviceName' | 'slot' | 'nodeId'>;

/** `web.1`, or of a global service `web.<node id>`: the same for all tasks that follow each other in a slot. */
export const slotName = ({ serviceName, slot, nodeId }: Replica): string => `${serviceName}.${slot || nodeId}`;

/** `web.1.<task id>`, `web.<node id>.<task id>`; the attachment of a container to a network has the container's name. */
export const taskName = (task: Task): string => task.spec.attachment?.containerName ?? `${slotName(task)}.${task.id}`;

/** What a task's container says of itself beside its service's labels, by the names that docker gives it. */
export const taskLabels = (task: Task): Readonly<Record<string, string>> => ({
  'com.docker.swarm.node.id': task.nodeId,
  'com.docker.swarm.service.id': task.serviceId,
  'com.docker.swarm.service.name': task.serviceName,
  'com.docker.swarm.task': '',
  'com.docker.swarm.task.id': task.id,
  'com.docker.swarm.task.name': taskName(task),
});
