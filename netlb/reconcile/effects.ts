/** Which parts of what is known of the kernel an operation makes doubtful. Pure. */
import { isOverlayNamespace, NODE_NAMESPACE } from '../names.js';
import type { Operation } from '../plan/operation.js';
import { PARTS, type Part } from './read.js';

export interface Effect {
  readonly namespace: string;
  readonly parts: readonly Part[];
}

/** @param namespaces names of all that are known */
export function effectsOf(operation: Operation, namespaces: Iterable<string>): Effect[] {
  const { namespace } = operation;
  switch (operation.kind) {
    case 'create-namespace':
    case 'name-namespace':
    case 'remove-stale-file':
      return [];
    case 'remove-namespace':
      // The far ends of its interfaces go with it, in the kernel's own time.
      return [...namespaces]
        .filter((name) => name === NODE_NAMESPACE || isOverlayNamespace(name))
        .map((name) => ({ namespace: name, parts: ['links'] }));
    case 'create-interface':
      return [
        { namespace, parts: PARTS },
        { namespace: operation.interface.port.namespace, parts: ['links'] },
      ];
    // Addresses, routes, neighbours, settings and netdev chains come and go with their link.
    case 'raise-loopback':
    case 'remove-links':
    case 'create-bridge':
    case 'create-vxlan':
    case 'change-link':
      return [{ namespace, parts: PARTS }];
    case 'set-sysctl':
      return [{ namespace, parts: ['sysctls'] }];
    case 'add-address':
    case 'remove-address':
    case 'set-route':
    case 'remove-route':
    case 'add-rule':
      return [{ namespace, parts: ['addressing'] }];
    case 'add-remotes':
    case 'remove-remotes':
      return [{ namespace, parts: ['tunnels'] }];
    case 'set-neighbour':
      return [{ namespace, parts: ['neighbours'] }];
    case 'set-ipvs-timeouts':
    case 'add-ipvs-service':
    case 'set-ipvs-service':
    case 'remove-ipvs-service':
    case 'add-ipvs-destinations':
    case 'set-ipvs-destinations':
    case 'remove-ipvs-destinations':
      return [{ namespace, parts: ['ipvs'] }];
    case 'add-associations':
    case 'remove-associations':
    case 'set-policies':
    case 'remove-policies':
      return [{ namespace, parts: ['encryption'] }];
    case 'run-nft':
    case 'forget-flows':
      return [{ namespace, parts: ['tables'] }];
  }
}
