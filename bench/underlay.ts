import { CLIENT, type LabLayout, labLayout, type NodeLayout, namespaceOf, nodeLayout } from '../lab/layout.js';
import { takeDown } from '../lab/teardown.js';
import { createUnderlay } from '../lab/underlay.js';

/** The network that the nodes of a comparison have in common: the wires of a lab, whose nodes run what is compared. */
export class Underlay {
  readonly client: string;
  readonly #lab: LabLayout;
  readonly #nodes: readonly NodeLayout[];

  /** @param name of a lab that nobody else has */
  constructor(name: string, nodes: number) {
    this.#lab = labLayout(name);
    this.#nodes = Array.from({ length: nodes }, (_, index) => nodeLayout(this.#lab, index + 1));
    this.client = namespaceOf(this.#lab, CLIENT);
  }

  /** A node's namespace in `ip netns`. */
  netns(node: number): string {
    return this.#node(node).namespace;
  }

  address(node: number): string {
    return this.#node(node).address;
  }

  up(): Promise<void> {
    return createUnderlay(this.#lab, this.#nodes, false);
  }

  /** Also when it is half made. What still runs in it is killed. */
  async down(): Promise<void> {
    await takeDown(this.#lab);
  }

  #node(node: number): NodeLayout {
    return nodeLayout(this.#lab, node);
  }
}
