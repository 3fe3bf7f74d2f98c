/** Published ports that a process of the node has: to lead them into sandboxes would cut it off without a word. */
import type { Listener } from '../kernel/listeners.js';
import type { HostPort } from '../state.js';
import { portAtKey, portKey } from './ports.js';

type Port = Pick<HostPort, 'protocol' | 'published' | 'hostAddress'>;

export interface Occupation {
  readonly listeners: readonly Listener[];
  /** Elements of the node's sets (nodeKey): what the node's rules lead into sandboxes now. */
  readonly held: ReadonlySet<string>;
}

/** A published port as an element of the node's sets. */
const nodeKey = (port: Port): string => (port.hostAddress === '' ? portKey(port) : portAtKey(port));

/**
 * The ports without those that a process had first. One that is published already stays when a process binds
 * it later: services do not come and go with it. Both are told.
 */
export function unoccupied<T extends Port>(
  ports: readonly T[],
  { listeners, held }: Occupation,
  tell: (message: string) => void,
): T[] {
  return ports.filter((port) => {
    const taken = listeners.some(
      ({ protocol, address, port: number }) =>
        protocol === port.protocol &&
        number === port.published &&
        (address === '' || port.hostAddress === '' || address === port.hostAddress),
    );
    if (!taken) return true;
    const stays = held.has(nodeKey(port));
    const name = `port ${port.published}/${port.protocol}`;
    tell(
      stays
        ? `${name} is in use by a process of this node too: it was published first, the process gets nothing`
        : `${name} is in use by a process of this node: it is not published here`,
    );
    return stays;
  });
}
