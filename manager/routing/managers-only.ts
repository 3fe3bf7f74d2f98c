import { permissionDenied, unavailable } from '../../lib/errors.js';
import { type Node, NodeRole } from '../../proto/gen/index.js';
import type { CallContext } from '../../proto/rpc/server.js';
import type { StandingSource } from '../leader-duties.js';

export interface ManagersOnlyOptions {
  readonly source: StandingSource;
  /** Resolves when all that was acknowledged anywhere is applied here. */
  readonly barrier: () => Promise<void>;
  /** Whether the caller knows what managers share. */
  readonly isPeer: (context: CallContext) => boolean;
  /** The node that makes a call. @throws UNAUTHENTICATED or PERMISSION_DENIED when it is none */
  readonly authenticate: (context: CallContext) => Node;
}

/** Resolves when a call may be answered. @throws PERMISSION_DENIED, UNAUTHENTICATED, or UNAVAILABLE where another one leads */
export type Admission = (context: CallContext) => Promise<void>;

/**
 * Lets managers alone call the leader. That a caller knows what they share does not make it one: who was demoted or
 * removed knows it still. So its own credential counts too, by a state that is no older than the call.
 */
export function managersOnly({ source, barrier, isPeer, authenticate }: ManagersOnlyOptions): Admission {
  return async (context) => {
    // Strangers cost the others no round.
    if (!isPeer(context)) throw refused();
    if (!source.standing().leading) throw unavailable('this manager does not lead the swarm');
    await barrier();
    const node = authenticate(context);
    if (node.role !== NodeRole.MANAGER) throw demoted(node);
  };
}

const refused = () => permissionDenied('only managers may ask this of another manager');

/** Whoever typed the command typed it on this node. */
const demoted = ({ id, description }: Node) =>
  permissionDenied(`node ${description.hostname || id} is not a manager any more`, {
    value: id,
    hint: 'It was demoted meanwhile: run the command on a manager.',
  });
