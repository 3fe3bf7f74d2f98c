import { mappedList } from '../../lib/kept-list.js';
import { rememberedOf } from '../../lib/remembered.js';
import type { Listener, ListeningSocket } from '../kernel/listeners.js';
import { findSocketOwners } from '../kernel/socket-owners.js';
import type { DesiredState, HostPort } from '../state.js';

const keyOf = (protocol: string, port: number): string => `${port}/${protocol}`;

/** `8080/tcp` of all that the state publishes. */
export function publishedBy({ ingress, sandboxes }: DesiredState): ReadonlySet<string> {
  return setOf(portKeys([...(ingress?.services ?? []), ...sandboxes.flatMap(({ hostPorts }) => hostPorts)]));
}

const portKeys = mappedList(({ protocol, published }: HostPort) => keyOf(protocol, published));
const setOf = rememberedOf((keys: readonly string[]): ReadonlySet<string> => new Set(keys));

/**
 * Tells whose the listeners are that are in the way of published ports. Processes are looked through once for each
 * new one: as long as it stays it is the same socket's.
 */
export class Contested {
  /** In words, by inode; empty where no process was found. */
  #owners: ReadonlyMap<number, string> = new Map();
  readonly #find: typeof findSocketOwners;

  constructor(find: typeof findSocketOwners = findSocketOwners) {
    this.#find = find;
  }

  /** The listeners, those of published ports with `owner`: "nginx (pid 812)". */
  name(listeners: readonly ListeningSocket[], published: ReadonlySet<string>): Listener[] {
    const contested = listeners.filter(({ protocol, port }) => published.has(keyOf(protocol, port)));
    const inodes = new Set(contested.map(({ inode }) => inode));
    const unknown = new Set([...inodes].filter((inode) => !this.#owners.has(inode)));
    const found = unknown.size > 0 ? this.#find(unknown) : new Map();
    this.#owners = new Map(
      [...inodes].map((inode) => {
        const owner = found.get(inode);
        return [inode, owner ? `${owner.command} (pid ${owner.pid})` : (this.#owners.get(inode) ?? '')];
      }),
    );
    return listeners.map((listener) => {
      const owner = this.#owners.get(listener.inode) ?? '';
      return owner === '' ? listener : { ...listener, owner };
    });
  }
}
