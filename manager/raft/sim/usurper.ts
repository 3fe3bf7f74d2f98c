import type { Raft } from '../core/raft.js';
import type { Random } from '../core/testing/random.js';
import type { Index, NodeId, Term } from '../core/types.js';
import type { Group } from './group.js';
import type { Adversary } from './nemesis.js';
import { elect, minorityAround } from './partitions.js';
import type { SimNode } from './sim-node.js';

/** Steps for which nobody new may lead before someone else is cut off. */
const patience = 120;
/** Steps between two elections meanwhile. */
const again = 50;

/**
 * Lets one leader fall after another: some before they have told anyone of their first entry, some at
 * the moment in which they commit something, some later. Then logs with entries of many terms that
 * few nodes have compete, as in figure 8 of the Raft paper.
 */
export class Usurper implements Adversary {
  readonly #random: Random;
  readonly #group: Group;
  #term: Term = 0;
  /** Those who led last: they want to lead again. */
  #former: readonly NodeId[] = [];
  /** Who is cut off. */
  #side: readonly NodeId[] = [];
  /** When the newest leader is to fall: once it has committed this, and at the latest after so many steps. */
  #index: Index = 0;
  #steps = patience;

  constructor(random: Random, group: Group) {
    this.#random = random;
    this.#group = group;
  }

  step(): void {
    const newest = this.#newest();
    const raft = newest?.raft;
    if (newest && raft && raft.term > this.#term) this.#hail(newest, raft);
    if (this.#steps-- <= 0 || (raft && raft.log.committed >= this.#index)) this.#strike(newest);
    else if (this.#steps % again === 0 && (!newest || this.#side.includes(newest.id))) this.#elect();
  }

  #newest(): SimNode | undefined {
    let newest: SimNode | undefined;
    for (const node of this.#group.leaders) if ((node.raft?.term ?? 0) > (newest?.raft?.term ?? 0)) newest = node;
    return newest;
  }

  #hail({ id }: SimNode, { term, log }: Raft): void {
    this.#term = term;
    this.#former = [id, ...this.#former.filter((other) => other !== id)].slice(0, 2);
    this.#index = this.#random.chance(0.8) ? log.committed + 1 : Number.POSITIVE_INFINITY;
    this.#steps = this.#random.chance(0.4) ? 0 : patience;
  }

  #strike(leader: SimNode | undefined): void {
    const { network, ids } = this.#group;
    network.heal();
    this.#side = leader ? minorityAround(leader, this.#random) : [];
    network.partition(this.#side, ids, 0);
    this.#elect();
    this.#index = Number.POSITIVE_INFINITY;
    this.#steps = patience;
  }

  #elect(): void {
    elect(this.#side, this.#group, this.#random, this.#random.chance(0.7) ? this.#former : []);
  }
}
