/** Published ports that something else of the node has: to lead them into sandboxes would cut it off without a word. */
import type { Listener } from '../kernel/listeners.js';
import type { HostPort } from '../state.js';
import type { HostForward } from './forwards.js';
import { portAtKey, portKey } from './ports.js';

/** A port over one family. */
type Port = Pick<HostPort, 'protocol' | 'published' | 'hostAddress'> & { readonly family: 4 | 6 };

export interface Occupation {
  readonly listeners: readonly Listener[];
  /** What the node's rules lead into sandboxes now, by heldKey; a host port's with its destination. */
  readonly held: ReadonlyMap<string, string>;
}

/** A published port as an element of the node's sets: `ip 6 . 8080`, `ip6 fd00::1 . 6 . 8080`. */
const heldKey = (port: Port): string =>
  `${port.family === 4 ? 'ip' : 'ip6'} ${port.hostAddress === '' ? portKey(port) : portAtKey(port)}`;

const nameOf = ({ published, protocol }: Port): string => `port ${published}/${protocol}`;

/** Whether both would take the same packets. */
const clash = (a: Port, b: Port): boolean =>
  a.family === b.family &&
  a.protocol === b.protocol &&
  a.published === b.published &&
  (a.hostAddress === '' || b.hostAddress === '' || a.hostAddress === b.hostAddress);

/**
 * The ports without those that a process had first. One that is published already stays when a process binds
 * it later: services do not come and go with it. Both are told.
 */
export function unoccupied<T extends Port>(
  ports: readonly T[],
  { listeners, held }: Occupation,
  tell: (port: T, message: string, kept: boolean) => void,
): T[] {
  return ports.filter((port) => {
    const taken = listeners.some(({ address, port: published, ...listener }) =>
      clash(port, { ...listener, published, hostAddress: address }),
    );
    if (!taken) return true;
    const stays = held.has(heldKey(port));
    tell(
      port,
      stays
        ? `${nameOf(port)} is in use by a process of this node too: it was published first, the process gets nothing`
        : `${nameOf(port)} is in use by a process of this node: it is not published here`,
      stays,
    );
    return stays;
  });
}

/**
 * Host ports without those that somebody else publishes: the swarm, or another sandbox that has it already or comes
 * earlier in the list.
 */
export function uncontested(
  forwards: readonly HostForward[],
  published: readonly Port[],
  { held }: Occupation,
  tell: (forward: HostForward, message: string) => void,
): HostForward[] {
  const holds = (forward: HostForward): boolean =>
    held.get(heldKey(forward)) === `${forward.address} . ${forward.target}`;
  const granted: HostForward[] = [];
  for (const forward of [...forwards].sort((a, b) => Number(holds(b)) - Number(holds(a)))) {
    const other = granted.find((candidate) => clash(candidate, forward));
    if (other) tell(forward, `${nameOf(forward)} is published by ${other.sandbox} already`);
    else if (published.some((candidate) => clash(candidate, forward)))
      tell(forward, `${nameOf(forward)} is published by a service of the swarm already`);
    else granted.push(forward);
  }
  return granted;
}
