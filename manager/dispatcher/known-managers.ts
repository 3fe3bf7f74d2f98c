import type { ManagerAddress, Node } from '../../proto/gen/index.js';

/** The managers, as nodes are told of them. */
export class KnownManagers {
  readonly #addresses = new Map<string, ManagerAddress>();

  get all(): readonly ManagerAddress[] {
    return [...this.#addresses.values()];
  }

  /** @returns whether that makes another list of it */
  seen({ id, managerStatus }: Node, removed = false): boolean {
    const before = this.#addresses.get(id)?.address ?? '';
    const address = removed ? '' : (managerStatus?.address ?? '');
    if (address === before) return false;
    if (address === '') this.#addresses.delete(id);
    else this.#addresses.set(id, { nodeId: id, address, weight: 1 });
    return true;
  }

  clear(): void {
    this.#addresses.clear();
  }
}
