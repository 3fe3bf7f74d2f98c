import { type Waiter, WaitList } from './wait-list.js';
import { type Allocatable, type Item, WorkList } from './work-list.js';

/** Names of what can be waited for that is no object. */
export const INGRESS = 'ingress network';
export const PORTS = 'published ports';
/** For whom it is not enough that a network has room: it asks for a certain address, or lacks another thing besides. */
export const changesIn = (networkId: string): string => `changes in ${networkId}`;

/** What is to be allocated, and what waits to be until something is freed or comes. */
export class Agenda {
  readonly #work = new WorkList();
  readonly #waiting = new WaitList();
  /** Networks in which addresses have been freed that somebody may wait for. */
  readonly #withRoom = new Set<string>();

  get isEmpty(): boolean {
    return this.#work.isEmpty;
  }

  add(kind: Allocatable, ids: Iterable<string>): void {
    this.#work.add(kind, ids);
  }

  /** Takes everything, also what is added on the way. */
  drain(): Iterable<Item> {
    return this.#work.drain();
  }

  waits(kind: Waiter['kind'], id: string): boolean {
    return this.#waiting.has(kind, id);
  }

  /** @param reason a network, for an address of it, or whatever else `came` is told of */
  wait(reason: string, item: Item): void {
    this.#waiting.add(reason, item);
  }

  /** It is gone. */
  forget(kind: Allocatable, id: string): void {
    this.#work.delete(kind, id);
    this.#waiting.forget(kind, id);
  }

  /** All that wait for this are tried again. */
  came(reason: string): void {
    this.#retry(this.#waiting.takeAll(reason));
  }

  /** Addresses of these networks have been given back. */
  freed(networks: readonly string[]): void {
    for (const id of networks) {
      this.came(changesIn(id));
      this.grown(id);
    }
  }

  /** A network has more addresses than before. */
  grown(networkId: string): void {
    this.#withRoom.add(networkId);
  }

  /**
   * As many of those that wait for an address are tried again as there are addresses. A network is looked at
   * again until there are no more of either: one that is tried may need none any more, or lack another thing.
   * @param room free addresses of a network
   */
  wakeWaiting(room: (networkId: string) => number): void {
    for (const id of this.#withRoom) {
      const woken = this.#waiting.take(id, room(id));
      if (woken.length === 0) this.#withRoom.delete(id);
      this.#retry(woken);
    }
  }

  #retry(items: readonly Item[]): void {
    for (const { kind, id } of items) this.#work.add(kind, [id]);
  }
}
