/** Published ports that something else of the node has: to lead them into sandboxes would cut it off without a word. */
import { mappedList } from '../../lib/kept-list.js';
import type { Listener } from '../kernel/listeners.js';
import { ipName } from '../nft/family.js';
import type { HostPort } from '../state.js';
import type { HostForward } from './forwards.js';
import { portAtKey, portKey } from './ports.js';

export interface Occupation {
  readonly listeners: readonly Listener[];
  /** What the node's rules lead into sandboxes now, by heldKey; a host port's with its destination. */
  readonly held: ReadonlyMap<string, string>;
  /** Addresses at which ports of all addresses are left to processes now, by heldKey. */
  readonly spared: ReadonlySet<string>;
}

/** A port over one family. */
export type Port = Pick<HostPort, 'protocol' | 'published' | 'hostAddress'> & { readonly family: 4 | 6 };

/** A published port as an element of the node's sets: `ip 6 . 8080`, `ip6 fd00::1 . 6 . 8080`. */
const heldKey = (port: Port): string =>
  `${ipName[port.family]} ${port.hostAddress === '' ? portKey(port) : portAtKey(port)}`;

const nameOf = ({ published, protocol, hostAddress }: Port): string =>
  `port ${published}/${protocol}${hostAddress === '' ? '' : ` of ${hostAddress}`}`;

/** Whether both would take the same packets. */
const clash = (a: Port, b: Port): boolean =>
  a.family === b.family &&
  a.protocol === b.protocol &&
  a.published === b.published &&
  (a.hostAddress === '' || b.hostAddress === '' || a.hostAddress === b.hostAddress);

/** @param kept the port is published all the same */
type TellPort<T extends Port> = (port: T, message: string, kept: boolean) => void;

/**
 * The ports without those that a process had first. One that is published already stays when a process binds
 * it later: services do not come and go with it. Both are told.
 */
export function unoccupied<T extends Port>(
  ports: readonly T[],
  { listeners, held }: Occupation,
  tell: TellPort<T>,
): readonly T[] {
  if (listeners.length === 0) return ports;
  return ports.filter((port) => {
    const other = listeners.find((listener) => clash(port, portOf(listener)));
    if (!other) return true;
    const stays = held.has(heldKey(port));
    tell(port, `${useOf(port, other)}${stays ? SHADOWED : ': it is not published here'}`, stays);
    return stays;
  });
}

/** Ports that are published, and what of them is not. */
export interface Divided<T> {
  readonly open: readonly T[];
  /** At these addresses ports of all addresses are left to the processes that had them first. */
  readonly spared: readonly Port[];
}

/** As `unoccupied`; but a port of all addresses is left to a process at those alone that it waits at. */
export function dividedByAddress<T extends Port>(
  ports: readonly T[],
  occupation: Occupation,
  tell: TellPort<T>,
): Divided<T> {
  const { listeners, held, spared: sparedNow } = occupation;
  if (listeners.length === 0) return { open: ports, spared: NONE };
  const spared = new Map<string, Port>();
  const open = ports.filter((port) => {
    const others = listeners.filter((listener) => clash(port, portOf(listener)));
    if (others.some(({ address }) => address === port.hostAddress || address === ''))
      return unoccupied([port], occupation, tell).length > 0;
    for (const other of others) {
      const at = { ...port, hostAddress: other.address };
      const key = heldKey(at);
      const wasFirst = sparedNow.has(key) || !held.has(heldKey(port));
      if (wasFirst) spared.set(key, at);
      tell(at, `${useOf(at, other)}${wasFirst ? ': it is not published there' : SHADOWED}`, true);
    }
    return true;
  });
  return { open, spared: spared.size > 0 ? [...spared.values()] : NONE };
}

const NONE: readonly Port[] = [];
const SHADOWED = ' too: it was published first, the process gets nothing';

const portOf = ({ protocol, family, address, port }: Listener): Port => ({
  ...{ protocol, family, published: port },
  hostAddress: address,
});

const useOf = (port: Port, { owner }: Listener): string =>
  `${nameOf(port)} is in use by ${owner ?? 'a process'} of this node`;

/** Who wants a port, and where it would lead: nowhere in particular for the mesh's. */
export interface Claim {
  readonly port: Port;
  /** In words: "a service of the swarm". */
  readonly owner: string;
  readonly destination: string;
  readonly heldKey: string;
  /** Those that may clash have the same. */
  readonly number: string;
}

const claim = (port: Port, owner: string, destination: string): Claim => ({
  port,
  owner,
  destination,
  heldKey: heldKey(port),
  number: `${port.family} ${portKey(port)}`,
});

export const meshClaims = mappedList((port: Port) => claim(port, 'a service of the swarm', ''));
export const forwardClaims = mappedList((port: HostForward) =>
  claim(port, `container ${port.sandbox}`, `${port.address} . ${port.target}`),
);

/**
 * Of claims to the same port the one that has it already wins, or else the first.
 * @returns the ports of the others, with the reason
 */
export function lost(claims: readonly Claim[], { held }: Occupation): Map<Port, string> {
  const holds = ({ heldKey: key, destination }: Claim): boolean => held.get(key) === destination;
  const granted = new Map<string, Claim[]>();
  const losers = new Map<Port, string>();
  const [holders, others]: [Claim[], Claim[]] = [[], []];
  for (const claim of claims) (holds(claim) ? holders : others).push(claim);
  for (const claim of [...holders, ...others]) {
    const { port, number } = claim;
    const same = granted.get(number);
    const winner = same?.find((other) => clash(other.port, port));
    if (winner) losers.set(port, `${nameOf(port)} is published by ${winner.owner} already`);
    else if (same) same.push(claim);
    else granted.set(number, [claim]);
  }
  return losers;
}
