import type { ConfState, NodeId } from '../core/types.js';

/**
 * Where the members are: what a peer says of itself counts most, then what the replicated state says,
 * then what this manager was told when it joined and has no state yet.
 */
export class AddressBook {
  readonly #self: NodeId;
  readonly #stored: (id: NodeId) => string | undefined;
  readonly #initial: ReadonlyMap<NodeId, string>;
  readonly #heard = new Map<NodeId, string>();

  constructor(
    self: NodeId,
    stored: (id: NodeId) => string | undefined,
    initial: ReadonlyMap<NodeId, string> = new Map(),
  ) {
    this.#self = self;
    this.#stored = stored;
    this.#initial = initial;
  }

  addressOf(id: NodeId): string | undefined {
    return this.#heard.get(id) ?? this.#stored(id) ?? this.#initial.get(id);
  }

  /** A peer has said where it is. */
  heard(id: NodeId, address: string): void {
    this.#heard.set(id, address);
  }

  forget(id: NodeId): void {
    this.#heard.delete(id);
  }

  /**
   * All to whom messages may go: the members, and whoever has called. The leader may be a member since
   * a change of configuration that has not reached this manager yet, and must be answered.
   */
  peers(confState: ConfState): ReadonlyMap<NodeId, string> {
    const ids = new Set([...membersOf(confState), ...this.#heard.keys(), ...this.#initialIds(confState)]);
    const peers = new Map<NodeId, string>();
    for (const id of ids) {
      const address = id === this.#self ? undefined : this.addressOf(id);
      if (address !== undefined) peers.set(id, address);
    }
    return peers;
  }

  /** A manager that has only just joined knows no configuration. */
  #initialIds(confState: ConfState): Iterable<NodeId> {
    return confState.voters.length === 0 ? this.#initial.keys() : [];
  }
}

export function membersOf({ voters, votersOutgoing, learners, learnersNext }: ConfState): readonly NodeId[] {
  return [...new Set([...voters, ...votersOutgoing, ...learners, ...learnersNext])];
}
