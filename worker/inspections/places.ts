/** Containers that are no task of the swarm's list: where they are, and in which networks. Pure. */
import { type ContainerInfo, ContainerPhase, type NetworkUser } from '../../proto/gen/index.js';

export interface ContainerPlace {
  readonly name: string;
  /** 64 hexadecimal digits, or a task's id. */
  readonly id: string;
  /** File of its namespace. */
  readonly namespace: string;
  /** Node id. */
  readonly node: string;
  /** Empty for containers that are no task's. */
  readonly serviceName: string;
  readonly endpoints: readonly ContainerPlaceEndpoint[];
}

export interface ContainerPlaceEndpoint {
  readonly networkId: string;
  readonly networkName: string;
  /** CIDRs. */
  readonly addresses: readonly string[];
}

/** Those of this machine that run. A task's name is without its id. */
export function localPlaces(containers: readonly ContainerInfo[], node: string): ContainerPlace[] {
  return containers
    .filter(({ phase }) => phase === ContainerPhase.RUNNING)
    .map(({ id, taskId, config, serviceName, endpoints }) => ({
      name: taskId === '' ? config.name : config.name.replace(`.${taskId}`, ''),
      id: taskId || id,
      namespace: taskId || id.slice(0, 12),
      node,
      serviceName,
      endpoints,
    }));
}

/** Those of all nodes that are attached to networks of the swarm. */
export function attachedPlaces(users: readonly NetworkUser[]): ContainerPlace[] {
  const places = new Map<string, ContainerPlace>();
  for (const { containerId: id, taskName: name, nodeId: node, attachment } of users) {
    if (id === '') continue;
    const known = places.get(id);
    const endpoints = [...(known?.endpoints ?? []), attachment];
    places.set(id, { name, id, namespace: id.slice(0, 12), node, serviceName: '', endpoints });
  }
  return [...places.values()];
}

/** Each container once: what its own machine says of it comes first. */
export function allPlaces(local: readonly ContainerPlace[], attached: readonly ContainerPlace[]): ContainerPlace[] {
  const known = new Set(local.map(({ id }) => id));
  return [...local, ...attached.filter(({ id }) => !known.has(id))];
}
