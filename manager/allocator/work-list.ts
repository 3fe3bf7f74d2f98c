/** What is to be allocated, networks before what needs them. */
export type Allocatable = 'network' | 'node' | 'service' | 'task';
const ORDER: readonly Allocatable[] = ['network', 'node', 'service', 'task'];

export interface Item {
  readonly kind: Allocatable;
  readonly id: string;
}

/** Objects that the allocator has to look at, each once however often it is added. */
export class WorkList {
  readonly #ids: Readonly<Record<Allocatable, Set<string>>> = {
    network: new Set(),
    node: new Set(),
    service: new Set(),
    task: new Set(),
  };

  get isEmpty(): boolean {
    return ORDER.every((kind) => this.#ids[kind].size === 0);
  }

  add(kind: Allocatable, ids: Iterable<string>): void {
    for (const id of ids) this.#ids[kind].add(id);
  }

  delete(kind: Allocatable, id: string): void {
    this.#ids[kind].delete(id);
  }

  /** Takes everything, also what is added on the way to a kind that is not done yet. */
  *drain(): Iterable<Item> {
    for (const kind of ORDER) {
      for (const id of this.#ids[kind]) {
        this.#ids[kind].delete(id);
        yield { kind, id };
      }
    }
  }
}
