import type { MemoryStorage } from '../core/log/memory-storage.js';
import type { Raft } from '../core/raft.js';
import type { Entry, EntryId, Index, NodeId, Snapshot, Term } from '../core/types.js';
import type { SimDisk } from './disk.js';
import { Violation } from './violation.js';

/** A node as the history looks at it. Raft is undefined while the node is down. */
export interface Observed {
  readonly id: NodeId;
  readonly raft: Raft | undefined;
  readonly disk: SimDisk;
}

interface Committed {
  readonly term: Term;
  readonly payload: string;
  /** The term in which it was committed. */
  readonly commitTerm: Term;
}

/** All leaders and logs that were ever seen in a group, against which each new sight is checked. */
export class LogHistory {
  readonly #nodes: ReadonlyMap<NodeId, Observed>;
  readonly #leaders = new Map<Term, NodeId>();
  /** Where a leader's log ended when it was last seen to lead. */
  readonly #ends = new Map<NodeId, EntryId & { readonly leads: Term }>();
  /** `term/index` of each entry seen in any log, with what it is and what is before it. */
  readonly #entries = new Map<string, string>();
  readonly #committed = new Map<Index, Committed>();
  #lastCommitted: Index;

  /** @param begin all nodes begin with a snapshot at this index */
  constructor(nodes: ReadonlyMap<NodeId, Observed>, begin: Index) {
    this.#nodes = nodes;
    this.#lastCommitted = begin;
  }

  get lastCommitted(): Index {
    return this.#lastCommitted;
  }

  /** To be called whenever a node has done something, before anyone does anything else. */
  observe(r: Raft): void {
    if (r.state === 'StateLeader') {
      this.#observeLeader(r);
      this.#observeEnd(r);
    }
    if (r.log.committed > this.#lastCommitted) this.#observeCommit(r);
  }

  #observeLeader(r: Raft): void {
    const known = this.#leaders.get(r.term);
    if (known === r.id) return;
    if (known !== undefined) throw new Violation('election safety', `${known} and ${r.id} lead in term ${r.term}`);
    this.#leaders.set(r.term, r.id);
    for (let index = r.log.firstIndex(); index <= this.#lastCommitted; index++) {
      const entry = this.#committed.get(index);
      // What a later leader has committed, one that was elected late cannot have.
      if (entry && entry.commitTerm < r.term) requireEntry(r, { index, term: entry.term });
    }
  }

  #observeEnd(r: Raft): void {
    const before = this.#ends.get(r.id);
    const index = r.log.lastIndex();
    if (before?.leads === r.term) {
      if (index === before.index && r.log.term(index) === before.term) return;
      if (index < before.index || r.log.term(before.index) !== before.term)
        throw new Violation(
          'leader append-only',
          `${r.id} in term ${r.term} had ${before.term}/${before.index}, now its log ends at ${index}`,
        );
    }
    this.#ends.set(r.id, { index, term: r.log.term(index) ?? 0, leads: r.term });
  }

  #observeCommit(r: Raft): void {
    const upTo = r.log.committed;
    if (r.state !== 'StateLeader')
      throw new Violation('commit order', `${r.id} takes ${upTo} for committed, leaders ${this.#lastCommitted}`);
    this.#requireQuorum(r, { index: upTo, term: r.log.term(upTo) ?? 0 });
    for (let index = this.#lastCommitted + 1; index <= upTo; index++) {
      const entry = r.log.slice(index, index + 1, Number.POSITIVE_INFINITY)?.[0];
      if (!entry) throw new Violation('commit order', `${r.id} commits ${index}, which it has not`);
      this.#committed.set(index, { term: entry.term, payload: payloadOf(entry), commitTerm: r.term });
      for (const { raft } of this.#nodes.values())
        if (raft?.state === 'StateLeader' && raft.term > r.term) requireEntry(raft, entry);
    }
    this.#lastCommitted = upTo;
  }

  /**
   * On the disks of a majority of each half of the configuration that this leader counts by, all of
   * them in its term at least: whoever is behind may have the entry, but may still lose it.
   */
  #requireQuorum({ id, term, tracker }: Raft, entry: EntryId): void {
    const { incoming, outgoing } = tracker.config.voters;
    for (const half of [incoming, outgoing]) {
      const holders = [...half].filter((voter) => {
        const disk = this.#nodes.get(voter)?.disk;
        return disk?.has(entry) && disk.hardState.term >= term;
      });
      if (half.size > 0 && holders.length * 2 <= half.size)
        throw new Violation(
          'durable commit',
          `${id} in term ${term} commits ${entry.term}/${entry.index}, of (${[...half].join(' ')}) it is on disk of (${holders.join(' ')})`,
        );
    }
  }

  /** Entries that a node is about to write. */
  observeAppend(r: Raft, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const before = r.log.term(entry.index - 1);
      const key = `${entry.term}/${entry.index}`;
      if (before === undefined || before > entry.term)
        throw new Violation('log matching', `on ${r.id} ${key} is after an entry of term ${before}`);
      const what = `${payloadOf(entry)} after ${before}/${entry.index - 1}`;
      const known = this.#entries.get(key);
      if (known === undefined) this.#entries.set(key, what);
      else if (known !== what) throw new Violation('log matching', `${key} is ${known}, but on ${r.id} it is ${what}`);
    }
  }

  /** An entry that is about to be written to a disk, which cuts away what is there from its index on. */
  observeWrite(id: NodeId, storage: MemoryStorage, entry: EntryId): void {
    this.#requireKept(id, storage, entry.index, entry);
  }

  /** A snapshot that is about to replace what is on a disk. */
  observeRestore(id: NodeId, storage: MemoryStorage, { metadata }: Snapshot): void {
    this.#requireKept(id, storage, metadata.index + 1, undefined);
  }

  /**
   * A node that is not yet in the term in which an entry was committed may hold the entry by chance,
   * and lose it to a leader of a term in between. All others can hear only leaders that have it.
   */
  #requireKept(id: NodeId, storage: MemoryStorage, from: Index, replacement: EntryId | undefined): void {
    const inTerm = storage.initialState().hardState.term;
    for (let index = Math.max(from, storage.firstIndex()); index <= storage.lastIndex(); index++) {
      const term = storage.term(index);
      const committed = this.#committed.get(index);
      if (committed?.term !== term || committed.commitTerm > inTerm) continue;
      if (replacement?.index === index && replacement.term === term) continue;
      throw new Violation('durable commit', `the disk of ${id} is to lose ${term}/${index}, which is committed`);
    }
  }

  observeApply(id: NodeId, entry: Entry): void {
    const committed = this.#committed.get(entry.index);
    if (!committed)
      throw new Violation('state machine safety', `${id} applies ${entry.term}/${entry.index}, which is not committed`);
    if (committed.term !== entry.term || committed.payload !== payloadOf(entry))
      throw new Violation(
        'state machine safety',
        `${id} applies ${entry.term}/${entry.index}, committed is ${committed.term}/${entry.index}`,
      );
  }
}

function requireEntry(leader: Raft, { index, term }: EntryId): void {
  if (index >= leader.log.firstIndex() && leader.log.term(index) !== term)
    throw new Violation('leader completeness', `${leader.id} leads term ${leader.term} without ${term}/${index}`);
}

function payloadOf(entry: Entry): string {
  return `${entry.type}:${Buffer.from(entry.data).toString('latin1')}`;
}
