/**
 * Which nodes have something in a network, connected or not: their kernels may send to its endpoints. What is on
 * a node is counted by its owner: a task, or the node itself.
 */
export class NetworkMembers {
  /** By owner. */
  readonly #owned = new Map<string, { readonly nodeId: string; readonly networks: readonly string[] }>();
  /** By network and node: how many owners. */
  readonly #counts = new Map<string, Map<string, number>>();

  /** Replaces what an owner has; nothing with no networks. */
  set(ownerId: string, nodeId: string, networks: readonly string[]): void {
    const before = this.#owned.get(ownerId);
    for (const network of networks) this.#count(network, nodeId, 1);
    for (const network of before?.networks ?? []) this.#count(network, before?.nodeId ?? '', -1);
    if (networks.length > 0) this.#owned.set(ownerId, { nodeId, networks });
    else this.#owned.delete(ownerId);
  }

  nodesOf(networkId: string): Iterable<string> {
    return this.#counts.get(networkId)?.keys() ?? [];
  }

  #count(networkId: string, nodeId: string, change: 1 | -1): void {
    const nodes = this.#counts.get(networkId) ?? new Map<string, number>();
    const count = (nodes.get(nodeId) ?? 0) + change;
    if (count > 0) nodes.set(nodeId, count);
    else nodes.delete(nodeId);
    if (nodes.size > 0) this.#counts.set(networkId, nodes);
    else this.#counts.delete(networkId);
  }
}
