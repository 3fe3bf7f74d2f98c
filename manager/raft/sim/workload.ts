import { parseChanges } from '../core/confchange/change.js';
import type { RawNode } from '../core/raw-node.js';
import type { Random } from '../core/testing/random.js';
import { ConfChangeTransition, ConfChangeV2 } from '../core/types.js';
import type { Witness } from './witness.js';

/** No id is above this. */
const maxNodes = 7;

/** What is asked of nodes. Each may refuse. */
export class Workload {
  readonly #random: Random;
  readonly #witness: Witness;
  #proposals = 0;

  constructor(random: Random, witness: Witness) {
    this.#random = random;
    this.#witness = witness;
  }

  propose(raw: RawNode): void {
    raw.propose(Buffer.from(`p${this.#proposals++}`));
  }

  read(raw: RawNode): void {
    const { log, reads } = this.#witness;
    raw.readIndex(reads.ask(log.lastCommitted));
  }

  /** Proposes some changes one after another without waiting, of which all but the first should become nothing. */
  changeMembers(raw: RawNode): void {
    for (let n = 1 + this.#random.below(3); n > 0; n--) {
      const changes = parseChanges(this.#random.chance(0.3) ? this.#otherVoters() : this.#fewChanges());
      const transition = this.#random.pick(Object.values(ConfChangeTransition)) ?? 0;
      raw.proposeConfChange({ version: 2, change: ConfChangeV2.create({ changes, transition }) });
    }
  }

  /** None at all leaves a joint configuration. */
  #fewChanges(): string {
    const one = () => `${this.#random.pick(['v', 'v', 'l', 'r'])}${1 + this.#random.below(maxNodes)}`;
    return Array.from({ length: this.#random.below(4) }, one).join(' ');
  }

  #otherVoters(): string {
    return Array.from({ length: maxNodes }, (_, i) => `${this.#random.pick(['v', 'r'])}${i + 1}`).join(' ');
  }
}
