import { sameConfState } from '../core/confchange/restore.js';
import type { Raft } from '../core/raft.js';
import type { Ready } from '../core/ready.js';
import { confStateOf } from '../core/tracker/tracker.js';
import type { Entry, Index, Message, NodeId } from '../core/types.js';
import { LogHistory, type Observed } from './history.js';
import { type Machine, MachineHistory } from './machine.js';
import { PromiseHistory } from './promises.js';
import { ReadHistory } from './reads.js';
import { Violation } from './violation.js';

/** Sees all that nodes do, and knows all that they must not do. Every call may throw a Violation. */
export class Witness {
  readonly log: LogHistory;
  readonly reads = new ReadHistory();
  readonly #machines = new MachineHistory();
  readonly #promises: PromiseHistory;

  constructor(nodes: ReadonlyMap<NodeId, Observed>, begin: Index) {
    this.log = new LogHistory(nodes, begin);
    this.#promises = new PromiseHistory((id) => nodes.get(id)?.raft);
  }

  observeReady(r: Raft, ready: Ready): void {
    this.log.observeAppend(r, ready.entries);
    for (const read of ready.readStates) this.reads.observe(r.id, read);
  }

  observeSend(messages: readonly Message[], { disk }: Observed): void {
    for (const m of messages) this.#promises.observe(m, disk);
  }

  observeApply(id: NodeId, entry: Entry): void {
    this.log.observeApply(id, entry);
  }

  /** The state machine of a node has changed. */
  observeMachine(id: NodeId, machine: Machine): void {
    this.#machines.observe(`node ${id}`, machine);
  }

  /** Once there is no snapshot under way, a node counts by the configuration that it has applied. */
  observeConfiguration(r: Raft, { confState, index }: Machine): void {
    if (r.log.hasNextOrInProgressSnapshot()) return;
    const counted = confStateOf(r.tracker.config);
    if (!sameConfState(counted, confState))
      throw new Violation(
        'state machine safety',
        `${r.id} counts by ${JSON.stringify(counted)}, but has applied ${index} with ${JSON.stringify(confState)}`,
      );
  }
}
