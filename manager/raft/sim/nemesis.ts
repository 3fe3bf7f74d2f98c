import type { Random } from '../core/testing/random.js';
import type { NodeId } from '../core/types.js';
import type { Group } from './group.js';
import { elect, minorityAround } from './partitions.js';
import type { SimNode } from './sim-node.js';

/** Makes trouble, once for each step of a run. */
export interface Adversary {
  step(): void;
}

/** A fault that lasts; returns how it is mended. */
type Fault = () => () => void;

/**
 * One lasting fault at a time, with calm in between in which the group recovers and works: most of
 * what can go wrong in Raft takes a change of leaders, then work, then another change.
 */
export class Nemesis implements Adversary {
  readonly #random: Random;
  readonly #group: Group;
  readonly #faults: readonly Fault[];
  readonly #calm: number;
  readonly #length: number;
  #left: number;
  #mend: (() => void) | undefined;

  constructor(random: Random, group: Group, divides: boolean) {
    this.#random = random;
    this.#group = group;
    const all = this.#all();
    // Each seed leaves some faults out, so that the others come more often.
    const some = divides ? this.#dividing() : random.subset(all);
    this.#faults = some.length > 0 ? some : all;
    this.#calm = random.pick([5, 50, 150]) ?? 50;
    this.#length = random.pick([60, 200, 400]) ?? 200;
    this.#left = random.below(this.#calm);
  }

  step(): void {
    if (this.#left-- > 0) return;
    if (this.#mend) {
      this.#mend();
      this.#mend = undefined;
      this.#left = this.#random.below(this.#calm);
    } else if (this.#group.leaders.length > 0) {
      // Before there is a leader most faults change nothing.
      this.#mend = this.#random.pick(this.#faults)?.();
      this.#left = this.#length / 2 + this.#random.below(this.#length);
    }
  }

  #all(): readonly Fault[] {
    const [random, group] = [this.#random, this.#group];
    return [
      () => this.#depose(this.#minority()),
      () => this.#depose(this.#minority()),
      ...this.#dividing(),
      () => this.#stop(this.#leader()),
      () => this.#stop(random.pick(group.nodes)),
      () => this.#kill(this.#leader()),
      () => this.#kill(...random.subset(group.nodes)),
      () => this.#stall('diskStalled', this.#leader()),
      () => this.#stall('diskStalled', ...random.subset(group.nodes)),
      () => this.#jam(),
    ];
  }

  /** Where members change: either side may believe that it is a majority, and some know late what has changed. */
  #dividing(): readonly Fault[] {
    const [random, group] = [this.#random, this.#group];
    return [
      () => this.#depose(random.subset(group.ids)),
      () => this.#cutOff(random.subset(group.ids)),
      () => this.#stall('applyStalled', ...random.subset(group.nodes)),
    ];
  }

  #leader(): SimNode | undefined {
    return this.#random.pick(this.#group.leaders);
  }

  #minority(): readonly NodeId[] {
    const leader = this.#leader();
    return leader ? minorityAround(leader, this.#random) : [];
  }

  /** Two may lead then, in different terms. */
  #depose(side: readonly NodeId[]): () => void {
    const mend = this.#cutOff(side);
    elect(side, this.#group, this.#random);
    return mend;
  }

  #cutOff(side: readonly NodeId[]): () => void {
    const { network, ids } = this.#group;
    network.partition(side, ids);
    return () => network.heal();
  }

  #stop(node: SimNode | undefined): () => void {
    node?.pause();
    return () => node?.resume();
  }

  #kill(...nodes: readonly (SimNode | undefined)[]): () => void {
    for (const node of nodes) if (node?.raft) node.crash();
    return () => {
      for (const node of nodes) if (node && !node.raft) node.start();
    };
  }

  #jam(): () => void {
    const { network } = this.#group;
    network.jammed = true;
    return () => {
      network.jammed = false;
    };
  }

  #stall(what: 'diskStalled' | 'applyStalled', ...nodes: readonly (SimNode | undefined)[]): () => void {
    const set = (stalled: boolean) => {
      for (const node of nodes) if (node) node[what] = stalled;
    };
    set(true);
    return () => set(false);
  }
}
