import type { ManagerAddress } from '../../proto/gen/index.js';

/** The managers that may be asked, in the order in which they are tried: the last known good one first. */
export class ManagerList {
  #addresses: readonly string[];

  /** @param addresses host:port, the last known good one first */
  constructor(addresses: readonly string[]) {
    this.#addresses = [...new Set(addresses)];
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** Whom to ask now; undefined when none is known. */
  get first(): string | undefined {
    return this.#addresses[0];
  }

  /** Asks another one the next time. */
  failed(address: string): void {
    if (this.first !== address) return;
    this.#addresses = [...this.#addresses.slice(1), address];
  }

  /** Asks this one next: another manager says that it leads. */
  prefer(address: string): void {
    this.#addresses = [...new Set([address, ...this.#addresses])];
  }

  /** Takes the swarm's own list, heaviest first, but keeps asking the one that answers. */
  replace(managers: readonly ManagerAddress[]): void {
    if (managers.length === 0) return;
    const sorted = [...managers].sort((a, b) => b.weight - a.weight).map((manager) => manager.address);
    const first = this.first;
    const next = first !== undefined && sorted.includes(first) ? [first, ...sorted] : sorted;
    this.#addresses = [...new Set(next)];
  }
}
