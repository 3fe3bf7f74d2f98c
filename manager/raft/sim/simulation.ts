import { parseChanges } from '../core/confchange/change.js';
import type { RawNode } from '../core/raw-node.js';
import { tolerate } from '../core/testing/cluster.js';
import { Random } from '../core/testing/random.js';
import {
  ConfChangeTransition,
  ConfChangeV2,
  ConfState,
  type Message,
  MsgType,
  type NodeId,
  Snapshot,
  SnapshotMetadata,
} from '../core/types.js';
import { History, Violation } from './history.js';
import { SimNetwork } from './network.js';
import { type NodeConfig, SimNode } from './sim-node.js';

export interface Outcome {
  readonly committed: number;
  readonly crashes: number;
  readonly terms: number;
  /** No leader could be elected any more, by Raft's own rules: see Simulation's #needsRemoved(). */
  readonly stuck: boolean;
}

const maxNodes = 7;
/** Where the first nodes' logs begin. */
const begin = 1;

type Action = readonly [weight: number, action: () => void];

/**
 * A group of 1 to 7 nodes to which everything happens that can: messages are lost, doubled, delayed
 * and reordered, nodes crash in the middle of a write and come back, links break, members change.
 * The seed determines all of it. After each step the history is checked; at the end faults stop, and
 * all members must come to the same state.
 */
export class Simulation {
  readonly #random: Random;
  readonly #history = new History(begin);
  readonly #network: SimNetwork;
  readonly #nodes = new Map<NodeId, SimNode>();
  readonly #config: NodeConfig;
  readonly #actions: readonly Action[];
  #proposals = 0;
  #reads = 0;
  #crashes = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#network = new SimNetwork(this.#random);
    this.#config = randomConfig(this.#random);
    const voters = Array.from({ length: 1 + this.#random.below(5) }, (_, i) => i + 1);
    const metadata = SnapshotMetadata.create({ index: begin, term: 1, confState: ConfState.create({ voters }) });
    for (const id of voters) this.#add(id, Snapshot.create({ metadata }));
    this.#actions = this.#weighted();
  }

  /** @throws Violation */
  run(steps: number): Outcome {
    for (let i = 0; i < steps; i++) this.#step();
    const stuck = !this.#converge();
    const terms = Math.max(...this.#up().map(({ raft }) => raft.term));
    return { committed: this.#history.lastCommitted, crashes: this.#crashes, terms, stuck };
  }

  /** What happens, and how often. Each seed does without some and overdoes others: bugs hide in mixtures. */
  #weighted(): readonly Action[] {
    const often: readonly Action[] = [
      [400, () => this.#onRaw((raw) => raw.tick())],
      [500, () => this.#deliver()],
      [400, () => this.#process()],
      [150, () => this.#send(this.#random.pick(this.#all())?.processAppend())],
      [150, () => this.#send(this.#random.pick(this.#all())?.processApply())],
      [60, () => this.#onRaw((raw) => raw.propose(Buffer.from(`p${this.#proposals++}`)))],
      [20, () => this.#random.pick(this.#all().filter(({ raw }) => !raw))?.start()],
      [3, () => this.#network.heal()],
    ];
    const sometimes: readonly Action[] = [
      [20, () => this.#onRaw((raw) => this.#read(raw))],
      [30, () => this.#lose()],
      [15, () => this.#network.duplicate()],
      [4, () => this.#crash(this.#random.pick(this.#all()))],
      [3, () => this.#network.partition(this.#random.subset(this.#ids()), this.#ids())],
      [3, () => this.#network.partition(this.#leaders(), this.#ids())],
      [6, () => this.#random.pick(this.#all())?.compact(this.#random.below(4))],
      [20, () => this.#onRaw((raw) => this.#changeMembers(raw))],
      [3, () => this.#onRaw((raw) => raw.transferLeader(this.#anyId()))],
      [3, () => this.#onRaw((raw) => raw.campaign())],
      [3, () => this.#onRaw((raw) => raw.forgetLeader())],
      [3, () => this.#onRaw((raw) => raw.reportUnreachable(this.#anyId()))],
    ];
    return [...often, ...sometimes.map(([weight, action]) => [weight * this.#factor(), action] as const)];
  }

  #factor(): number {
    return this.#random.pick([0, 0.5, 1, 1, 5]) ?? 1;
  }

  #ids(): readonly NodeId[] {
    return [...this.#nodes.keys()];
  }

  #anyId(): NodeId {
    return this.#random.pick(this.#ids()) ?? 1;
  }

  #leaders(): readonly NodeId[] {
    return this.#up().flatMap(({ raft }) => (raft.state === 'StateLeader' ? [raft.id] : []));
  }

  #step(): void {
    const total = this.#actions.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.#random.below(total);
    for (const [weight, action] of this.#actions) {
      at -= weight;
      if (at >= 0) continue;
      action();
      break;
    }
    this.#observe();
  }

  #observe(): void {
    for (const { raft } of this.#up()) this.#history.observe(raft);
  }

  #all(): readonly SimNode[] {
    return [...this.#nodes.values()];
  }

  #up(): readonly RawNode[] {
    return this.#all().flatMap(({ raw }) => (raw ? [raw] : []));
  }

  /** What a node refuses is part of life. */
  #onRaw(action: (raw: RawNode) => void): void {
    const raw = this.#random.pick(this.#up());
    if (raw) tolerate(() => action(raw));
  }

  #send(messages: readonly Message[] = []): void {
    this.#network.send(messages);
  }

  #process(): void {
    const node = this.#random.pick(this.#all());
    const crash = this.#random.chance(0.005);
    if (crash && node?.raw?.hasReady()) this.#crashes++;
    this.#send(node?.process(crash));
  }

  #crash(node: SimNode | undefined): void {
    if (!node?.raw) return;
    this.#crashes++;
    node.crash();
  }

  #deliver(): void {
    const m = this.#network.take();
    if (!m) return;
    if (!this.#network.passes(m)) {
      this.#report(m, false);
      return;
    }
    // A node that was only just made a member starts with nothing.
    const raw = (this.#nodes.get(m.to) ?? this.#add(m.to, Snapshot.create())).raw;
    if (raw) tolerate(() => raw.step(m));
    this.#report(m, raw !== undefined);
  }

  #lose(): void {
    const m = this.#network.take();
    if (m) this.#report(m, false);
  }

  /** A transport knows whether a snapshot arrived, and sometimes that a message did not. */
  #report(m: Message, delivered: boolean): void {
    const sender = this.#nodes.get(m.from)?.raw;
    if (m.type === MsgType.MsgSnap) sender?.reportSnapshot(m.to, delivered);
    else if (!delivered && this.#random.chance(0.3)) sender?.reportUnreachable(m.to);
  }

  #read(raw: RawNode): void {
    const context = `r${this.#reads++}`;
    this.#history.startRead(context);
    raw.readIndex(Buffer.from(context));
  }

  #changeMembers(raw: RawNode): void {
    const one = () => `${this.#random.pick(['v', 'v', 'l', 'r'])}${1 + this.#random.below(maxNodes)}`;
    // None at all leaves a joint configuration.
    const changes = parseChanges(Array.from({ length: this.#random.below(4) }, one).join(' '));
    const transition = this.#random.pick(Object.values(ConfChangeTransition)) ?? 0;
    raw.proposeConfChange({ version: 2, change: ConfChangeV2.create({ changes, transition }) });
  }

  #add(id: NodeId, initial: Snapshot): SimNode {
    const node = new SimNode(id, this.#config, initial, this.#random, this.#history);
    this.#nodes.set(id, node);
    return node;
  }

  /**
   * Without faults the members of the last configuration agree on all that was committed. Who was
   * removed is off, as an operator would have it: it could campaign for ever. False when stuck.
   */
  #converge(): boolean {
    this.#network.heal();
    for (const node of this.#all()) if (!node.raw) node.start();
    for (let round = 0; round < 3000; round++) {
      const members = this.#members();
      if (round > 20 && this.#agree(members)) return true;
      for (const { raw } of members) raw?.tick();
      for (let busy = true; busy; ) {
        busy = this.#settleOnce(members);
        this.#observe();
      }
      if (round % 10 === 0) this.#proposeAnywhere(members);
    }
    if (this.#needsRemoved()) return false;
    const states = this.#members().map(({ id, applied, raw }) => `${id}: ${raw?.raft.state} applied ${applied}`);
    throw new Violation(`no progress without faults: committed ${this.#history.lastCommitted}, ${states.join('; ')}`);
  }

  /**
   * A leader that removed or demoted itself, and crashed before it told the others, can hold a longer
   * log than they: it refuses its vote, which they still need, and may not lead itself. Hence
   * leadership is to be transferred before a leader is removed.
   */
  #needsRemoved(): boolean {
    const members = this.#members();
    const votersOf = ({ confState }: SimNode) => [...confState.voters, ...confState.votersOutgoing];
    return members.some((node) => {
      const needed = members.some((other) => votersOf(other).includes(node.id));
      return needed && !votersOf(node).includes(node.id);
    });
  }

  #settleOnce(members: readonly SimNode[]): boolean {
    let busy = false;
    for (const node of members) {
      if (node.raw?.hasReady()) busy = true;
      for (const messages of [node.process(false), node.processAppend(), node.processApply()]) this.#send(messages);
    }
    for (let waiting = this.#network.size; waiting > 0; waiting--) {
      busy = true;
      this.#deliver();
    }
    return busy;
  }

  #proposeAnywhere(members: readonly SimNode[]): void {
    const leader = members.find(({ raw }) => raw?.raft.state === 'StateLeader')?.raw;
    if (leader) tolerate(() => leader.propose(Buffer.from(`p${this.#proposals++}`)));
  }

  /**
   * The members of the newest configuration, and of those that its members still know: until all
   * have heard of a removal, the removed may be needed to elect a leader.
   */
  #members(): readonly SimNode[] {
    const newest = this.#all().reduce((a, b) => (b.applied > a.applied ? b : a));
    const members = new Set<SimNode>();
    const waiting = idsOf(newest.confState);
    for (const id of waiting) {
      const node = this.#nodes.get(id) ?? this.#add(id, Snapshot.create());
      if (members.has(node)) continue;
      members.add(node);
      waiting.push(...idsOf(node.confState));
    }
    return [...members];
  }

  #agree(members: readonly SimNode[]): boolean {
    const leads = members.some(({ raw }) => raw?.raft.state === 'StateLeader');
    if (!leads || members.some(({ applied }) => applied !== this.#history.lastCommitted)) return false;
    const digests = new Set(members.map(({ digest }) => digest));
    if (digests.size > 1) throw new Violation(`state machines differ after ${this.#history.lastCommitted}`);
    return true;
  }
}

function randomConfig(random: Random): NodeConfig {
  return {
    electionTick: 5 + random.below(10),
    heartbeatTick: 1 + random.below(2),
    maxInflightMsgs: 1 + random.below(10),
    maxSizePerMsg: random.pick([0, 50, 1000, Number.POSITIVE_INFINITY]) ?? 0,
    maxCommittedSizePerReady: random.pick([20, 200, Number.POSITIVE_INFINITY]) ?? 200,
    asyncStorageWrites: random.chance(0.5),
    preVote: random.chance(0.7),
    checkQuorum: random.chance(0.7),
    stepDownOnRemoval: random.chance(0.7),
  };
}

function idsOf({ voters, votersOutgoing, learners, learnersNext }: ConfState): NodeId[] {
  return [...voters, ...votersOutgoing, ...learners, ...learnersNext];
}
