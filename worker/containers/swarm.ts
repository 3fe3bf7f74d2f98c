import type { Steps } from '../../lib/steps.js';
import { type NetworkAttachment, type NetworkRecord, PublishMode, type ServiceRecord } from '../../proto/gen/index.js';
import { type LocalTask, needsSandbox } from '../agent/local-task.js';
import type { SwarmState } from '../network/desired-state.js';
import { type PublishedAlready, publishedBy } from './ports.js';

/** What membership of a swarm adds to a machine. */
export interface SwarmPart {
  /** Computes the network state that it asks for now. */
  desired(): Steps<SwarmState>;
  /** The kernel shows another state now, or has other problems. */
  networkChanged(): void;
  tasks(): readonly LocalTask[];
  /** The swarm's networks that this node has been told of. */
  networks(): readonly NetworkRecord[];
  /** Its services that this node has been told of. */
  services(): Iterable<ServiceRecord>;
  /** The node's own endpoints: the one in the ingress network is ingress_sbox's. */
  attachments(): readonly NetworkAttachment[];
}

/** Ports of this machine that lead to services and tasks. Cheap, unlike the whole network state. */
export function publishedBySwarm(swarm: SwarmPart | undefined): PublishedAlready[] {
  if (!swarm) return [];
  const mesh = [...swarm.services()]
    .flatMap(({ ports }) => ports)
    .filter(({ publishMode, publishedPort }) => publishMode === PublishMode.INGRESS && publishedPort > 0);
  const ofTasks = swarm.tasks().filter(needsSandbox);
  return [
    ...mesh.map((port) => publishedBy(port, 'the routing mesh')),
    ...ofTasks.flatMap(({ task, status }) =>
      status.portStatus.ports.map((port) => publishedBy(port, `task ${task.id}`)),
    ),
  ];
}
