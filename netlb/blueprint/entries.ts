/**
 * By which port a published one enters ingress_sbox. There services are told apart by protocol and port alone, so
 * of two that publish the same port on different addresses of the node one enters by another port.
 */
import { mappedList } from '../../lib/kept-list.js';
import { remembered, rememberedOf } from '../../lib/remembered.js';
import type { PublishedPort } from '../state.js';
import { portAtKey, portKey } from './ports.js';

export interface EnteredPort extends PublishedPort {
  readonly entry: number;
}

const LAST_PORT = 65_535;

/**
 * A port of all addresses enters by its own number. One of a single address keeps the entry that it has, so that
 * its connections go on, and else has its own number if that is free, or the highest that is.
 * @param current entries by portAtKey, as they are now
 */
export function withEntries(
  ports: readonly PublishedPort[],
  current: ReadonlyMap<string, number>,
): readonly EnteredPort[] {
  if (ports.every(({ hostAddress }) => hostAddress === '')) return enteredByOwn(ports);
  const taken = new Set<string>();
  const keyOf = (port: PublishedPort, entry: number): string => portKey({ ...port, published: entry });
  const isFree = (port: PublishedPort, entry: number): boolean => !taken.has(keyOf(port, entry));
  const entries = new Map<PublishedPort, number>();
  const give = (port: PublishedPort, entry: number): void => {
    taken.add(keyOf(port, entry));
    entries.set(port, entry);
  };
  const atOne = ports.filter(({ hostAddress }) => hostAddress !== '');
  for (const port of ports) if (port.hostAddress === '') give(port, port.published);
  for (const port of atOne) {
    const entry = current.get(portAtKey(port));
    if (entry !== undefined && isFree(port, entry)) give(port, entry);
  }
  for (const port of atOne) {
    if (entries.has(port)) continue;
    let entry = port.published;
    for (let next = LAST_PORT; !isFree(port, entry) && next > 0; next--) entry = next;
    give(port, entry);
  }
  return ports.map((port) => entered(port)(entries.get(port) ?? port.published));
}

/** The same object for the same port and entry. */
const entered = rememberedOf((port: PublishedPort) => remembered((entry: number): EnteredPort => ({ ...port, entry })));

const enteredByOwn = mappedList((port: PublishedPort) => entered(port)(port.published));
