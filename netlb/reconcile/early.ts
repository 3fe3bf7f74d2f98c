import type { ActualState } from '../plan/actual.js';
import type { Operation } from '../plan/operation.js';
import type { DesiredState } from '../state.js';

/**
 * What makes the namespaces in which a resolver is to listen, where they are not there yet. Its ports are in the rules
 * of the namespace: with these done before all else one round is enough for a new sandbox. Pure.
 */
export function earlyOperations({ sandboxes }: DesiredState, { namespaces }: ActualState): Operation[] {
  return sandboxes.flatMap(({ id, resolver }): Operation[] => {
    if (!resolver || namespaces.has(id)) return [];
    const place = { subject: { kind: 'sandbox', id }, namespace: id } as const;
    // Nobody can listen at an address of a loopback that is down.
    return [
      { kind: 'create-namespace', ...place },
      { kind: 'raise-loopback', ...place },
    ];
  });
}
