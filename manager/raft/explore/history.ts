import type { JointConfig } from '../core/quorum/joint.js';
import type { NodeId, Term } from '../core/types.js';
import { type Cost, costs } from './bounds.js';
import { Interner } from './interner.js';
import type { Commit } from './live-node.js';
import { beginsWith } from './local-checks.js';
import type { NodeSpace } from './node-space.js';
import { type LogContent, lengthTo, termAt } from './node-state.js';
import { type Permutation, renameId } from './symmetry.js';
import { TupleTable } from './tuple-table.js';

interface Committed {
  readonly entry: string;
  /** The term in which it was committed, and the configuration whose quorum has it. */
  readonly term: Term;
  readonly voters: JointConfig;
}

/** What a state must remember of how it was reached, to be checked. */
export interface History {
  readonly used: readonly number[];
  readonly leaders: ReadonlyMap<Term, NodeId>;
  readonly committed: readonly Committed[];
}

/** The histories that occur, each with a number, and the checks against them, each done once. */
export class Histories {
  readonly #space: NodeSpace;
  readonly #known = new Interner<History>();
  readonly #commits = new Interner<readonly Commit[]>();
  readonly #renamed: (number | undefined)[][];
  /** (history, node state, cost, commits) and the history afterwards. */
  readonly #steps = new TupleTable(4);
  readonly #afterwards: number[] = [];
  /** (history, node state), what is broken between them, and what the node has on disk of it. */
  readonly #pairs = new TupleTable(2);
  readonly #broken: (string | undefined)[] = [];
  readonly #durable: number[] = [];
  /** (node state, node state) and what is broken between them. */
  readonly #matches = new TupleTable(2);
  readonly #mismatches: (string | undefined)[] = [];
  readonly #pair = new Int32Array(2);
  readonly #step = new Int32Array(4);

  constructor(space: NodeSpace) {
    this.#space = space;
    this.#renamed = space.permutations.map(() => []);
  }

  get size(): number {
    return this.#known.size;
  }

  initial(): number {
    return this.#number({ used: costs.map(() => 0), leaders: new Map(), committed: [] });
  }

  get(number: number): History {
    return this.#known.get(number);
  }

  /** The history when a node has got into this state, at this cost. */
  step(history: number, state: number, cost: Cost | undefined, commits: number): number {
    this.#step[0] = history;
    this.#step[1] = state;
    this.#step[2] = cost === undefined ? -1 : costs.indexOf(cost);
    this.#step[3] = commits;
    const before = this.#steps.size;
    const number = this.#steps.add(this.#step);
    if (number === before) this.#afterwards.push(this.#number(this.#after(this.get(history), state, cost, commits)));
    return this.#afterwards[number] ?? 0;
  }

  /** A number for what was committed in which configurations. */
  commits(commits: readonly Commit[]): number {
    const key = commits.map(({ index, voters }) => `${index} ${votersKey(voters)}`).join();
    return this.#commits.add(key, () => commits);
  }

  renamed(number: number, permutation: Permutation): number {
    const memo = this.#renamed[permutation.number] ?? [];
    const { used, leaders, committed } = this.get(number);
    const rename = ([term, id]: readonly [Term, NodeId]) => [term, renameId(id, permutation)] as const;
    const renamed = memo[number] ?? this.#number({ used, leaders: new Map([...leaders].map(rename)), committed });
    memo[number] = renamed;
    return renamed;
  }

  /** What is broken between a history and a node: elections, completeness, what is committed. */
  check(history: number, state: number): string | undefined {
    return this.#broken[this.#pairNumber(history, state)];
  }

  /** Whether all that is committed is on the disks of a quorum. */
  checkDurable(history: number, states: readonly number[]): string | undefined {
    const { committed } = this.get(history);
    const durable = new Map<NodeId, number>();
    for (const state of states)
      durable.set(this.#space.state(state).node, this.#durable[this.#pairNumber(history, state)] ?? 0);
    for (let at = committed.length; at > 0; at--) {
      const voters = committed[at - 1]?.voters;
      const has = (id: NodeId) => (durable.get(id) ?? 0) >= at;
      if (voters && !(isMajority(voters.incoming, has) && isMajority(voters.outgoing, has)))
        return `${committed[at - 1]?.entry} is committed, but not on the disks of a quorum`;
    }
    return undefined;
  }

  /** Log matching (Raft paper, figure 3). */
  checkMatch(a: number, b: number): string | undefined {
    this.#pair[0] = Math.min(a, b);
    this.#pair[1] = Math.max(a, b);
    const before = this.#matches.size;
    const number = this.#matches.add(this.#pair);
    if (number === before) {
      const one = this.#space.state(a);
      const other = this.#space.state(b);
      const text = `log matching: ${one.node} and ${other.node} differ before an entry that they share`;
      this.#mismatches.push(logsMatch(one.log, other.log) ? undefined : text);
    }
    return this.#mismatches[number];
  }

  #after(history: History, state: number, cost: Cost | undefined, commits: number): History {
    const { node, role, term, log } = this.#space.state(state);
    const used = history.used.map((count, i) => (costs[i] === cost ? count + 1 : count));
    const leaders = new Map(history.leaders);
    if (role === 'StateLeader' && !leaders.has(term)) leaders.set(term, node);
    const committed = [...history.committed];
    for (const { index, voters } of this.#commits.get(commits))
      for (const entry of log.slice(committed.length, lengthTo(index))) committed.push({ entry, term, voters });
    return { used, leaders, committed };
  }

  #pairNumber(history: number, state: number): number {
    this.#pair[0] = history;
    this.#pair[1] = state;
    const before = this.#pairs.size;
    const number = this.#pairs.add(this.#pair);
    if (number === before) {
      const { committed } = this.get(history);
      const { disk } = this.#space.state(state);
      const length = committed.findIndex(({ entry }, at) => disk.log[at] !== entry);
      this.#broken.push(this.#compare(this.get(history), state));
      this.#durable.push(length < 0 ? committed.length : length);
    }
    return number;
  }

  #compare({ leaders, committed }: History, state: number): string | undefined {
    const { node, role, term, log, commit } = this.#space.state(state);
    const known = committed.map(({ entry }) => entry);
    if (!beginsWith(log, known, Math.min(lengthTo(commit), known.length)))
      return `state machine safety: ${node} commits what differs from what is committed`;
    if (role !== 'StateLeader') return undefined;
    const leader = leaders.get(term);
    if (leader !== node) return `election safety: ${leader} and ${node} lead in term ${term}`;
    const lacks = committed.find((entry, at) => entry.term < term && entry.entry !== log[at]);
    return (
      lacks && `leader completeness: ${node} leads term ${term} without ${lacks.entry}, committed in ${lacks.term}`
    );
  }

  #number(history: History): number {
    const { used, leaders, committed } = history;
    const key = [
      used.join(),
      [...leaders].sort(([a], [b]) => a - b).join(),
      committed.map(({ entry, term, voters }) => `${entry} ${term} ${votersKey(voters)}`).join(),
    ].join(';');
    return this.#known.add(key, () => history);
  }
}

function logsMatch(a: LogContent, b: LogContent): boolean {
  for (let at = Math.min(a.length, b.length) - 1; at >= 0; at--)
    if (termAt(a, at) === termAt(b, at)) return beginsWith(a, b, at + 1);
  return true;
}

/** Not the core's own, which is what is checked. */
function isMajority(voters: ReadonlySet<NodeId>, has: (id: NodeId) => boolean): boolean {
  return voters.size === 0 || [...voters].filter(has).length * 2 > voters.size;
}

function votersKey({ incoming, outgoing }: JointConfig): string {
  return `${[...incoming]}|${[...outgoing]}`;
}
