import {
  EndpointRecord,
  EndpointState,
  HealthState,
  type Network,
  NetworkRecord,
  type Node,
  NodeState,
  PublishMode,
  type Service,
  ServiceRecord,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { hasLeft, isWanted, occupiesNode } from '../common/tasks.js';

export function networkRecord(network: Network): NetworkRecord {
  const { spec } = network;
  return NetworkRecord.create({
    id: network.id,
    name: spec.name,
    vni: network.vni,
    ipam: network.ipam,
    internal: spec.internal,
    ingress: spec.ingress,
    attachable: spec.attachable,
    ipv6: spec.ipv6,
    driverOptions: spec.driverOptions,
    driver: spec.driver,
  });
}

/**
 * What others may do with a task's endpoints; undefined when it has none, or none that can be reached. A task that
 * was up and is unhealthy gets nothing new, and keeps the connections that it has until it is stopped.
 */
function endpointState(task: Task, node: Node | undefined): EndpointState | undefined {
  if (!occupiesNode(task) || node === undefined || node.status.state === NodeState.DOWN) return undefined;
  if (!isWanted(task)) return EndpointState.DRAINING;
  const { state, health } = task.status;
  const isUp = state === TaskState.RUNNING && task.desiredState >= TaskState.RUNNING;
  if (!isUp || health === HealthState.STARTING) return EndpointState.PRESENT;
  return health === HealthState.UNHEALTHY ? EndpointState.DRAINING : EndpointState.SERVING;
}

export function endpointId(networkId: string, ownerId: string): string {
  return `${networkId}/${ownerId}`;
}

/** One record per network in which the task has addresses. */
export function taskEndpoints(task: Task, node: Node | undefined): readonly EndpointRecord[] {
  const state = endpointState(task, node);
  if (state === undefined || node === undefined) return [];
  return task.networks
    .filter(({ addresses }) => addresses.length > 0)
    .map((attachment) =>
      EndpointRecord.create({
        id: endpointId(attachment.networkId, task.id),
        networkId: attachment.networkId,
        taskId: task.id,
        nodeId: task.nodeId,
        addresses: attachment.addresses,
        mac: attachment.mac,
        vtep: node.dataPathAddress,
        state,
        serviceId: task.serviceId,
        serviceName: task.serviceName,
        slot: task.slot,
        ...namesOf(task, attachment.aliases),
      }),
    );
}

/** A container is known by its name and the beginning of its id, which is its hostname unless it has another. */
function namesOf({ spec }: Task, aliases: readonly string[]) {
  if (!spec.attachment) return { aliases: [...aliases], hostname: spec.container.hostname };
  const { containerId, containerName } = spec.attachment;
  const shortId = containerId.slice(0, 12);
  return { aliases: [...new Set([containerName, shortId, ...aliases])], hostname: shortId };
}

/**
 * The node's own endpoints: what comes out of its ingress_sbox must find the way back. Also while the
 * node is DOWN: where only its daemon is, its kernel takes connections all the same.
 */
export function nodeEndpoints(node: Node): readonly EndpointRecord[] {
  if (hasLeft(node)) return [];
  return node.attachments.map((attachment) =>
    EndpointRecord.create({
      id: endpointId(attachment.networkId, node.id),
      networkId: attachment.networkId,
      nodeId: node.id,
      addresses: attachment.addresses,
      mac: attachment.mac,
      vtep: node.dataPathAddress,
      state: EndpointState.PRESENT,
    }),
  );
}

export function serviceRecord(service: Service): ServiceRecord {
  const { endpoint, spec } = service;
  return ServiceRecord.create({
    id: service.id,
    name: spec.name,
    mode: endpoint.mode,
    ports: endpoint.ports.filter((port) => port.publishMode === PublishMode.INGRESS),
    virtualIps: endpoint.virtualIps,
    aliases: spec.task.networks
      .filter(({ aliases }) => aliases.length > 0)
      .map(({ target, aliases }) => ({ networkId: target, names: aliases })),
  });
}

/** Networks whose nodes have to know the service. @param ingress id of the ingress network, if there is one */
export function serviceNetworks(service: Service, ingress: string | undefined): readonly string[] {
  const networks = service.spec.task.networks.map(({ target }) => target);
  const isPublished = service.endpoint.ports.some((port) => port.publishMode === PublishMode.INGRESS);
  return isPublished && ingress !== undefined ? [...networks, ingress] : networks;
}
