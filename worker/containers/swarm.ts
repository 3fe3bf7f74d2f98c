import { finish, type Steps } from '../../lib/steps.js';
import type { NetworkAttachment, NetworkRecord } from '../../proto/gen/index.js';
import type { LocalTask } from '../agent/local-task.js';
import type { SwarmState } from '../network/desired-state.js';
import type { PublishedAlready } from './ports.js';

/** What membership of a swarm adds to a machine. */
export interface SwarmPart {
  /** Computes the network state that it asks for now. */
  desired(): Steps<SwarmState>;
  /** The kernel shows another state now, or has other problems. */
  networkChanged(): void;
  tasks(): readonly LocalTask[];
  /** The swarm's networks that this node has been told of. */
  networks(): readonly NetworkRecord[];
  /** The node's own endpoints: the one in the ingress network is ingress_sbox's. */
  attachments(): readonly NetworkAttachment[];
}

/** Ports of this machine that lead to services and tasks. */
export function publishedBySwarm(swarm: SwarmPart | undefined): PublishedAlready[] {
  if (!swarm) return [];
  const { ingress, sandboxes } = finish(swarm.desired()).state;
  return [
    ...(ingress?.services ?? []).map((port) => ({ ...port, owner: 'the routing mesh' })),
    ...sandboxes.flatMap(({ id, hostPorts }) => hostPorts.map((port) => ({ ...port, owner: `task ${id}` }))),
  ];
}
