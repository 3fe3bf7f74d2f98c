import { describeMessage } from '../core/describe.js';
import { type ConfState, type Message, MsgType, type NodeId, Snapshot } from '../core/types.js';
import type { SimNetwork } from './network.js';
import { SimNode, type Surroundings } from './sim-node.js';
import { Witness } from './witness.js';

/** The nodes and what is between them. */
export class Group {
  readonly witness: Witness;
  readonly network: SimNetwork;
  readonly #around: Surroundings;
  readonly #byId = new Map<NodeId, SimNode>();
  #nodes: readonly SimNode[] = [];

  /** @param first the snapshot that the first members start with */
  constructor({ network, ...around }: Omit<Surroundings, 'witness'> & { network: SimNetwork }, first: Snapshot) {
    this.network = network;
    this.witness = new Witness(this.#byId, first.metadata.index);
    this.#around = { ...around, witness: this.witness };
    for (const id of first.metadata.confState.voters) this.#add(id, first);
  }

  /** All that ever were members, in the order in which they became so. */
  get nodes(): readonly SimNode[] {
    return this.#nodes;
  }

  get ids(): readonly NodeId[] {
    return this.#nodes.map(({ id }) => id);
  }

  get leaders(): readonly SimNode[] {
    return this.#nodes.filter(({ raft }) => raft?.state === 'StateLeader');
  }

  /** A node that was only just made a member starts with nothing. */
  node(id: NodeId): SimNode {
    return this.#byId.get(id) ?? this.#add(id, Snapshot.create());
  }

  send(messages: readonly Message[]): void {
    for (const lost of this.network.send(messages)) this.#report(lost, false);
  }

  /** Has a node do what there is to do. */
  work(node: SimNode): void {
    for (const messages of [node.process(), node.processAppend(), node.processApply()]) this.send(messages);
  }

  /** Returns who got a message. */
  deliver(): SimNode | undefined {
    const m = this.network.take();
    if (!m) return undefined;
    const node = this.node(m.to);
    const passes = this.network.passes(m);
    this.#around.trace?.(`${passes ? '' : 'lost: '}${describeMessage(m)}`);
    if (passes) node.notify((raw) => raw.step(m));
    this.#report(m, passes && node.raft !== undefined);
    return node;
  }

  lose(): void {
    const m = this.network.take();
    if (m) this.#report(m, false);
  }

  /** A transport knows whether a snapshot arrived, and sometimes that a message did not. */
  #report(m: Message, delivered: boolean): void {
    const sender = this.node(m.from);
    if (m.type === MsgType.MsgSnap) sender.notify((raw) => raw.reportSnapshot(m.to, delivered));
    else if (!delivered && this.#around.random.chance(0.3)) sender.notify((raw) => raw.reportUnreachable(m.to));
  }

  /**
   * The members of the newest configuration, and of those that its members still know: until all
   * have heard of a removal, the removed may be needed to elect a leader.
   */
  members(): readonly SimNode[] {
    const newest = this.#nodes.reduce((a, b) => (b.applied > a.applied ? b : a));
    const members = new Set<SimNode>();
    const waiting = idsOf(newest.confState);
    for (const id of waiting) {
      const node = this.node(id);
      if (members.has(node)) continue;
      members.add(node);
      waiting.push(...idsOf(node.confState));
    }
    return [...members];
  }

  #add(id: NodeId, initial: Snapshot): SimNode {
    const node = new SimNode(id, initial, this.#around);
    this.#byId.set(id, node);
    this.#nodes = [...this.#nodes, node];
    return node;
  }
}

function idsOf({ voters, votersOutgoing, learners, learnersNext }: ConfState): NodeId[] {
  return [...voters, ...votersOutgoing, ...learners, ...learnersNext];
}
