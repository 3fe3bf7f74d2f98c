/** What waits. */
export interface Waiter<K extends string = 'network' | 'node' | 'service' | 'task'> {
  readonly kind: K;
  readonly id: string;
}

/** Who waits for what, in the order of arrival. One that waits for several things is woken by any of them. */
export class WaitList {
  readonly #byReason = new Map<string, Map<string, Waiter>>();
  readonly #reasons = new Map<string, Set<string>>();

  add(reason: string, waiter: Waiter): void {
    const key = keyOf(waiter.kind, waiter.id);
    const waiters = this.#byReason.get(reason);
    if (waiters) waiters.set(key, waiter);
    else this.#byReason.set(reason, new Map([[key, waiter]]));
    const reasons = this.#reasons.get(key);
    if (reasons) reasons.add(reason);
    else this.#reasons.set(key, new Set([reason]));
  }

  has(kind: Waiter['kind'], id: string): boolean {
    return this.#reasons.has(keyOf(kind, id));
  }

  /** Takes all that wait for it off the list. */
  takeAll(reason: string): readonly Waiter[] {
    return this.take(reason, Number.POSITIVE_INFINITY);
  }

  /** Takes those that have waited longest off the list. */
  take(reason: string, limit: number): readonly Waiter[] {
    const taken: Waiter[] = [];
    for (const waiter of this.#byReason.get(reason)?.values() ?? []) {
      if (taken.length >= limit) break;
      taken.push(waiter);
    }
    for (const { kind, id } of taken) this.forget(kind, id);
    return taken;
  }

  forget(kind: Waiter['kind'], id: string): void {
    const key = keyOf(kind, id);
    for (const reason of this.#reasons.get(key) ?? []) {
      const waiters = this.#byReason.get(reason);
      waiters?.delete(key);
      if (waiters?.size === 0) this.#byReason.delete(reason);
    }
    this.#reasons.delete(key);
  }
}

function keyOf(kind: string, id: string): string {
  return `${kind}/${id}`;
}
