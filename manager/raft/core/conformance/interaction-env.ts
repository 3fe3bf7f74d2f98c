import type { Config } from '../config.js';
import { describeEntry, describeMessage, describeReady } from '../describe.js';
import { deepFreeze } from '../testing/deep-freeze.js';
import { isLocalTarget, type Message, MsgType, message, type NodeId, type Snapshot } from '../types.js';
import { Output } from './output.js';
import { SimulatedNode } from './simulated-node.js';

export interface Recipient {
  readonly id: NodeId;
  readonly drop: boolean;
}

/**
 * A group of nodes and the messages between them, moved on by hand. Everything that enters or leaves
 * a node is deep-frozen: what is handed out must never change again.
 */
export class InteractionEnv {
  readonly output = new Output();
  readonly #nodes: SimulatedNode[] = [];
  #messages: Message[] = [];

  /** @throws Error when there is no such node */
  node(id: NodeId): SimulatedNode {
    const node = this.#nodes[id - 1];
    if (!node) throw new Error(`no node ${id}`);
    return node;
  }

  get nodes(): readonly SimulatedNode[] {
    return this.#nodes;
  }

  addNodes(count: number, config: Omit<Config, 'id' | 'storage'>, snapshot: Snapshot): void {
    for (let i = 0; i < count; i++)
      this.#nodes.push(new SimulatedNode({ ...config, id: this.#nodes.length + 1 }, snapshot));
  }

  processReady(node: SimulatedNode): void {
    const ready = deepFreeze(node.raw.ready());
    this.output.write(describeReady(ready));
    if (!node.async) {
      node.append(ready.hardState, ready.entries, ready.snapshot);
      node.apply(ready.committedEntries);
    }
    for (const m of ready.messages) {
      if (!isLocalTarget(m.to)) this.#messages.push(m);
      else if (!node.async) throw new Error(`unexpected local message target ${m.to}`);
      else if (m.type === MsgType.MsgStorageAppend) node.appendWork.push(m);
      else if (m.type === MsgType.MsgStorageApply) node.applyWork.push(m);
      else throw new Error(`unexpected message type ${m.type}`);
    }
    if (!node.async) node.raw.advance();
  }

  /** Does one MsgStorageAppend. */
  processAppendThread(node: SimulatedNode): void {
    this.#processThread(node.appendWork, 'append', (m) => {
      const { term, vote, commit } = m;
      const hardState = term !== 0 || vote !== 0 || commit !== 0 ? { term, vote, commit } : undefined;
      node.append(hardState, m.entries, m.snapshot);
    });
  }

  /** Does one MsgStorageApply. */
  processApplyThread(node: SimulatedNode): void {
    this.#processThread(node.applyWork, 'apply', (m) => node.apply(m.entries));
  }

  #processThread(work: Message[], name: string, process: (m: Message) => void): void {
    const m = work.shift();
    if (!m) {
      this.output.write(`no ${name} work to perform`);
      return;
    }
    this.output.write(`Processing:\n${describeMessage({ ...m, responses: [] })}\n`);
    process(m);
    this.output.write('Responses:\n');
    for (const response of m.responses) this.output.write(`${describeMessage(response)}\n`);
    this.#messages.push(...m.responses);
  }

  /** Delivers or drops what is on its way, keeping its order; returns how many messages. */
  deliver(recipients: readonly Recipient[], type?: MsgType): number {
    let count = 0;
    for (const { id, drop } of recipients) {
      const taken = this.#messages.filter((m) => isFor(m, id, drop, type));
      this.#messages = this.#messages.filter((m) => !isFor(m, id, drop, type));
      count += taken.length;
      for (const m of taken) {
        this.output.write(`${drop ? 'dropped: ' : ''}${describeMessage(m)}\n`);
        if (drop) continue;
        this.attempt(() => this.node(id).raw.step(m));
      }
    }
    return count;
  }

  /** Prints what an error says, as the nodes go on after one. */
  attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'RaftError') throw error;
      this.output.write(`${error.message}\n`);
    }
  }

  sendSnapshot(from: NodeId, to: NodeId): void {
    const { latestSnapshot, raw } = this.node(from);
    const m = message({ type: MsgType.MsgSnap, term: raw.raft.term, from, to, snapshot: latestSnapshot });
    this.#messages.push(deepFreeze(m));
    this.output.write(describeMessage(m));
  }

  printLog(node: SimulatedNode): void {
    const { storage } = node;
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    if (last < first) {
      this.output.write(`log is empty: first index=${first}, last index=${last}`);
      return;
    }
    for (const entry of storage.entries(first, last + 1, Number.POSITIVE_INFINITY))
      this.output.write(`${describeEntry(entry)}\n`);
  }

  /** Lets the nodes work, in rounds of Ready, deliveries, appends and applies, until none has any. */
  stabilize(nodes: readonly SimulatedNode[]): void {
    const section = (node: SimulatedNode, title: string, work: () => void) => {
      this.output.write(`> ${node.id} ${title}\n`);
      this.output.indented(work);
    };
    for (let done = false; !done; ) {
      done = true;
      for (const node of nodes) {
        if (!node.raw.hasReady()) continue;
        section(node, 'handling Ready', () => this.processReady(node));
        done = false;
      }
      for (const node of nodes) {
        if (!this.#messages.some((m) => m.to === node.id)) continue;
        section(node, 'receiving messages', () => this.deliver([{ id: node.id, drop: false }]));
        done = false;
      }
      for (const node of nodes) {
        if (node.appendWork.length === 0) continue;
        this.output.write(`> ${node.id} processing append thread\n`);
        while (node.appendWork.length > 0) this.output.indented(() => this.processAppendThread(node));
        done = false;
      }
      for (const node of nodes) {
        if (node.applyWork.length === 0) continue;
        this.output.write(`> ${node.id} processing apply thread\n`);
        while (node.applyWork.length > 0) this.output.indented(() => this.processApplyThread(node));
        done = false;
      }
    }
  }
}

/** What a node says to itself or to its storage is never lost. */
function isFor(m: Message, id: NodeId, drop: boolean, type: MsgType | undefined): boolean {
  const local = m.from === m.to || isLocalTarget(m.from) || isLocalTarget(m.to);
  return m.to === id && !(drop && local) && (type === undefined || m.type === type);
}
