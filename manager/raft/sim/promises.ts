import type { MemoryStorage } from '../core/log/memory-storage.js';
import type { Raft } from '../core/raft.js';
import { type HardState, type Message, MsgType, type NodeId } from '../core/types.js';
import type { SimDisk } from './disk.js';
import { Violation } from './violation.js';

/** A hard state that is about to be written over the one that is there. */
export function observeHardState(id: NodeId, storage: MemoryStorage, next: HardState): void {
  const { hardState: before } = storage.initialState();
  if (next.term < before.term)
    throw new Violation('one vote', `${id} goes back from term ${before.term} to ${next.term}`);
  if (next.term === before.term && before.vote !== 0 && next.vote !== before.vote)
    throw new Violation('one vote', `${id} votes for ${before.vote} and ${next.vote} in term ${next.term}`);
  if (next.commit < before.commit)
    throw new Violation('one vote', `${id} goes back from commit index ${before.commit} to ${next.commit}`);
}

/**
 * What nodes have told each other, against what is on their disks. Promises of a term that the node
 * is durably past bind it no more: it takes no part in that term.
 */
export class PromiseHistory {
  /** `node/term` of each vote that left its node, with whom it is for. */
  readonly #votes = new Map<string, NodeId>();
  readonly #nodeOf: (id: NodeId) => Raft | undefined;

  constructor(nodeOf: (id: NodeId) => Raft | undefined) {
    this.#nodeOf = nodeOf;
  }

  /** A message that leaves the node with this disk. */
  observe(m: Message, disk: SimDisk): void {
    if (m.reject) return;
    if (m.type === MsgType.MsgVoteResp) this.#observeVote(m, disk);
    else if (m.type === MsgType.MsgAppResp) this.#observeAck(m, disk);
  }

  #observeVote({ from, to, term }: Message, disk: SimDisk): void {
    const { hardState } = disk;
    if (hardState.term < term || (hardState.term === term && hardState.vote !== to))
      throw new Violation(
        'durable promise',
        `${from} votes for ${to} in term ${term}, on disk is ${hardState.vote} in ${hardState.term}`,
      );
    const key = `${from}/${term}`;
    const other = this.#votes.get(key);
    if (other !== undefined && other !== to)
      throw new Violation('one vote', `${from} votes for ${other} and ${to} in term ${term}`);
    this.#votes.set(key, to);
  }

  #observeAck({ from, to, term, index }: Message, disk: SimDisk): void {
    if (disk.hardState.term > term) return;
    if (disk.lastIndex < index)
      throw new Violation('durable promise', `${from} acknowledges ${index}, its disk ends at ${disk.lastIndex}`);
    const leader = this.#nodeOf(to);
    if (leader?.state !== 'StateLeader' || leader.term !== term) return;
    const theirs = leader.log.term(index);
    if (theirs !== undefined && !disk.has({ index, term: theirs }))
      throw new Violation('durable promise', `${from} acknowledges ${theirs}/${index}, its disk has another`);
  }
}
