import type { Raft } from '../core/raft.js';
import type { Entry, HardState, Index, NodeId, ReadState, Term } from '../core/types.js';

/** A promise of Raft was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

interface Committed {
  readonly term: Term;
  readonly payload: string;
  /** The term in which it was first seen to be committed. */
  readonly commitTerm: Term;
}

/**
 * All that was ever seen of a group, against which each new sight is checked. The properties are
 * those of the Raft paper, figure 3, and what durability and linearizable reads demand.
 */
export class History {
  readonly #leaders = new Map<Term, NodeId>();
  /** `term/index` of each entry seen in any log, with what it is and what is before it. */
  readonly #entries = new Map<string, string>();
  readonly #committed = new Map<Index, Committed>();
  #lastCommitted: Index;
  readonly #hardStates = new Map<NodeId, HardState>();
  readonly #reads = new Map<string, Index>();

  /** @param begin all nodes begin with a snapshot at this index */
  constructor(begin: Index) {
    this.#lastCommitted = begin;
  }

  get lastCommitted(): Index {
    return this.#lastCommitted;
  }

  /** To be called whenever a node has done something. */
  observe(r: Raft): void {
    this.#observeLeader(r);
    this.#observeCommit(r);
  }

  #observeLeader(r: Raft): void {
    if (r.state !== 'StateLeader') return;
    const known = this.#leaders.get(r.term);
    if (known === r.id) return;
    if (known !== undefined) throw new Violation(`election safety: ${known} and ${r.id} lead in term ${r.term}`);
    this.#leaders.set(r.term, r.id);
    for (let index = r.log.firstIndex(); index <= this.#lastCommitted; index++) {
      const entry = this.#committed.get(index);
      // What a later leader has committed, one that was elected late cannot have.
      if (!entry || entry.commitTerm >= r.term) continue;
      if (r.log.term(index) !== entry.term)
        throw new Violation(`leader completeness: ${r.id} leads term ${r.term} without ${entry.term}/${index}`);
    }
  }

  #observeCommit(r: Raft): void {
    for (let index = this.#lastCommitted + 1; index <= r.log.committed; index++) {
      const entry = r.log.slice(index, index + 1, Number.POSITIVE_INFINITY)?.[0];
      if (!entry) throw new Violation(`${r.id} has committed ${index}, which nobody was seen to commit, by snapshot`);
      this.#committed.set(index, { term: entry.term, payload: payloadOf(entry), commitTerm: r.term });
      this.#lastCommitted = index;
    }
  }

  /** Entries that a node is about to write. */
  observeAppend(r: Raft, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const before = r.log.term(entry.index - 1);
      if (before === undefined || before > entry.term)
        throw new Violation(`log of ${r.id}: ${entry.term}/${entry.index} after an entry of term ${before}`);
      const key = `${entry.term}/${entry.index}`;
      const what = `${payloadOf(entry)} after ${before}/${entry.index - 1}`;
      const known = this.#entries.get(key);
      if (known !== undefined && known !== what)
        throw new Violation(`log matching: ${key} is ${known}, but on ${r.id} it is ${what}`);
      this.#entries.set(key, what);
      const committed = this.#committed.get(entry.index);
      if (committed && committed.term !== entry.term && entry.index <= r.log.committed)
        throw new Violation(`${r.id} overwrites committed ${committed.term}/${entry.index} by ${key}`);
    }
  }

  /** A hard state that is durable now. */
  observeHardState(id: NodeId, state: HardState): void {
    const before = this.#hardStates.get(id);
    if (before && state.term < before.term)
      throw new Violation(`${id} goes back from term ${before.term} to ${state.term}`);
    if (before && state.term === before.term && before.vote !== 0 && state.vote !== before.vote)
      throw new Violation(`${id} votes for ${before.vote} and ${state.vote} in term ${state.term}`);
    this.#hardStates.set(id, state);
  }

  observeApply(id: NodeId, entry: Entry): void {
    const committed = this.#committed.get(entry.index);
    if (!committed) throw new Violation(`${id} applies ${entry.term}/${entry.index}, which is not committed`);
    if (committed.term !== entry.term || committed.payload !== payloadOf(entry))
      throw new Violation(
        `state machine safety: ${id} applies ${entry.term}/${entry.index}, committed is ${committed.term}/${entry.index}`,
      );
  }

  startRead(context: string): void {
    this.#reads.set(context, this.#lastCommitted);
  }

  observeRead(id: NodeId, { index, requestCtx }: ReadState): void {
    const context = Buffer.from(requestCtx).toString();
    const least = this.#reads.get(context);
    if (least === undefined) throw new Violation(`${id} answers a read that was not asked: ${context}`);
    if (index < least)
      throw new Violation(`stale read: ${id} answers ${context} at ${index}, when asked ${least} was committed`);
  }
}

function payloadOf(entry: Entry): string {
  return `${entry.type}:${Buffer.from(entry.data).toString('latin1')}`;
}
