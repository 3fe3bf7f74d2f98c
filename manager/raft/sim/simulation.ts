import { Random } from '../core/testing/random.js';
import { ConfState, Snapshot, SnapshotMetadata } from '../core/types.js';
import { converge } from './convergence.js';
import { Group } from './group.js';
import { type Adversary, Nemesis } from './nemesis.js';
import { SimNetwork } from './network.js';
import { randomConfig } from './random-config.js';
import type { SimNode } from './sim-node.js';
import { Usurper } from './usurper.js';
import { Workload } from './workload.js';

/** What happened in a run. */
export interface Outcome {
  readonly committed: number;
  readonly terms: number;
  /** Answered ones. */
  readonly reads: number;
  readonly crashes: number;
  readonly pauses: number;
  /** Changes of configuration that took effect, counted on each node. */
  readonly changes: number;
  /** Snapshots from a leader that replaced a node's log. */
  readonly restores: number;
  /** No leader could be elected any more, by Raft's own rules: see converge(). */
  readonly stuck: boolean;
}

/**
 * What a run is about: everything at once; one leader after another, each with entries that the
 * others lack; or changes of members with the group divided.
 */
type Theme = 'mixed' | 'deposing' | 'dividing';

/** Where the first nodes' logs begin. */
const begin = 1;

type Action = readonly [weight: number, action: () => void];

/**
 * A group of 1 to 7 nodes to which everything happens that can: messages are lost, doubled, delayed
 * and reordered, links break, nodes crash in the middle of a write and come back, are stopped and go
 * on, wait for their disk, members change. The seed determines all of it. Whatever a node does is
 * checked at once; at the end faults stop, and all members must come to the same state.
 */
export class Simulation {
  readonly #random: Random;
  readonly #group: Group;
  readonly #adversary: Adversary;
  readonly #workload: Workload;
  readonly #actions: readonly Action[];
  readonly #totalWeight: number;
  /** How likely a node handles at once what comes in. */
  readonly #eagerness: number;

  /** @param trace is told what goes on */
  constructor(seed: number, trace?: (line: string) => void) {
    const random = new Random(seed);
    this.#random = random;
    const theme = random.pick<Theme>(['mixed', 'mixed', 'deposing', 'dividing']) ?? 'mixed';
    this.#eagerness = random.pick([0.3, 0.7, 1]) ?? 1;
    const network = new SimNetwork(random, random.pick([0, 0.2, 0.2, 0.8]) ?? 0);
    // One entry at a time: what a leader knows of its followers then grows slowly.
    const config = { ...randomConfig(random), ...(theme === 'deposing' && { maxSizePerMsg: 0 }) };
    const voters = Array.from({ length: random.pick([1, 2, 3, 3, 3, 4, 5, 5, 6, 7]) ?? 3 }, (_, i) => i + 1);
    const metadata = SnapshotMetadata.create({ index: begin, term: 1, confState: ConfState.create({ voters }) });
    this.#group = new Group({ random, network, config, trace }, Snapshot.create({ metadata }));
    this.#adversary =
      theme === 'deposing' ? new Usurper(random, this.#group) : new Nemesis(random, this.#group, theme === 'dividing');
    this.#workload = new Workload(random, this.#group.witness);
    this.#actions = this.#weighted(theme);
    this.#totalWeight = this.#actions.reduce((sum, [weight]) => sum + weight, 0);
  }

  /** @throws Violation, and whatever the core throws when it contradicts itself */
  run(steps: number): Outcome {
    for (let i = 0; i < steps; i++) this.#step();
    const stuck = !converge(this.#group, (raw) => this.#workload.propose(raw));
    const { nodes, witness } = this.#group;
    const sum = (of: (node: SimNode) => number) => nodes.reduce((total, node) => total + of(node), 0);
    return {
      committed: witness.log.lastCommitted - begin,
      terms: Math.max(...nodes.map(({ raft }) => raft?.term ?? 0)),
      reads: witness.reads.answered,
      crashes: sum(({ counts }) => counts.crashes),
      pauses: sum(({ counts }) => counts.pauses),
      changes: sum(({ counts }) => counts.changes),
      restores: sum(({ counts }) => counts.restores),
      stuck,
    };
  }

  #step(): void {
    this.#adversary.step();
    let at = this.#random.below(this.#totalWeight);
    for (const [weight, action] of this.#actions) {
      at -= weight;
      if (at >= 0) continue;
      action();
      return;
    }
  }

  /** What happens, and how often. Each seed does without some and overdoes others: bugs hide in mixtures. */
  #weighted(theme: Theme): readonly Action[] {
    const { network } = this.#group;
    const life: readonly Action[] = [
      [600, () => this.#deliver()],
      [200, () => this.#group.send(this.#any().process())],
      [100, () => this.#group.send(this.#any().processAppend())],
      [100, () => this.#group.send(this.#any().processApply())],
      [40, () => this.#any().use((raw) => raw.tick())],
      [30, () => this.#any().use((raw) => this.#workload.propose(raw))],
      [30, () => this.#leader()?.use((raw) => this.#workload.propose(raw))],
      [15, () => this.#random.pick(this.#group.nodes.filter(({ raft }) => !raft))?.start()],
    ];
    const faults: readonly Action[] = [
      [30, () => this.#group.lose()],
      [15, () => network.duplicate()],
      [10, () => network.divert()],
      [8, () => network.bringBack()],
      [3, () => this.#any().crash()],
      [2, () => this.#any().crashAfterSend()],
    ];
    const requests: readonly Action[] = [
      [10, () => this.#any().use((raw) => this.#workload.read(raw))],
      [30, () => this.#leader()?.use((raw) => this.#workload.read(raw))],
      [6, () => this.#any().compact(this.#random.below(4))],
      [3, () => this.#any().use((raw) => raw.transferLeader(this.#any().id))],
      [3, () => this.#any().use((raw) => raw.campaign())],
      [3, () => this.#any().use((raw) => raw.forgetLeader())],
      [3, () => this.#any().use((raw) => raw.reportUnreachable(this.#any().id))],
    ];
    const changes: readonly Action[] = [
      [6, () => this.#any().use((raw) => this.#workload.changeMembers(raw))],
      [6, () => this.#leader()?.use((raw) => this.#workload.changeMembers(raw))],
    ];
    return [
      ...this.#scaled(life, [0.5, 1, 1, 2]),
      ...this.#scaled(faults, theme === 'mixed' ? [0, 0.3, 1, 3] : [0, 0.3]),
      ...this.#scaled(requests, [0, 0.3, 1, 1, 5]),
      ...this.#scaled(changes, { mixed: [0, 0.3, 1, 5], deposing: [0], dividing: [3, 6] }[theme]),
    ];
  }

  #scaled(actions: readonly Action[], factors: readonly number[]): readonly Action[] {
    return actions.map(([weight, action]) => [weight * (this.#random.pick(factors) ?? 1), action]);
  }

  #any(): SimNode {
    const node = this.#random.pick(this.#group.nodes);
    if (!node) throw new Error('a group has at least one node');
    return node;
  }

  #leader(): SimNode | undefined {
    return this.#random.pick(this.#group.leaders);
  }

  /** How long a message takes does not depend on how many are on their way. */
  #deliver(): void {
    if (this.#group.network.idle) this.#idle();
    for (let n = Math.ceil(this.#group.network.size / 10); n > 0; n--) {
      const node = this.#group.deliver();
      if (node && this.#random.chance(this.#eagerness)) this.#group.work(node);
    }
  }

  /** Nothing is on its way: who has something to do does it, or time passes. */
  #idle(): void {
    const busy = this.#random.pick(this.#group.nodes.filter((node) => node.busy));
    if (busy) this.#group.work(busy);
    else for (const node of this.#random.subset(this.#group.nodes)) node.use((raw) => raw.tick());
  }
}
