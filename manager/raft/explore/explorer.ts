import { actionString } from './action.js';
import { type Bounds, type Cost, costs, limitOf } from './bounds.js';
import { Histories } from './history.js';
import { NodeSpace } from './node-space.js';
import { type Move, Places } from './places.js';
import { compose, inverse, type Permutation, renameAction, renameId } from './symmetry.js';
import { TupleTable } from './tuple-table.js';

export interface Outcome {
  /** Distinct states of the group, but for the numbers of like nodes. */
  readonly states: number;
  /** Of single nodes. */
  readonly nodeStates: number;
  /** Of single nodes with what was sent to them. */
  readonly places: number;
  readonly transitions: number;
  /** How often the core was asked what it does. */
  readonly runs: number;
  /** Actions on the longest of the shortest paths. */
  readonly depth: number;
  /** Whether all states within the bounds were visited. */
  readonly exhausted: boolean;
  readonly violation: Violation | undefined;
}

export interface Violation {
  readonly what: string;
  /** One line for each action, from the beginning. */
  readonly path: readonly string[];
}

/** A move with whose it is. */
interface Way {
  readonly i: number;
  readonly cost: Cost | undefined;
  readonly move: Move;
}

const kinds: readonly (Cost | undefined)[] = [undefined, ...costs];

/**
 * Visits the states of a group breadth-first, each once: so the path to a violation is a shortest
 * one. A state is a place for each node and a history. Three things make it feasible:
 *
 * - The core runs once for each state of one node and action, see NodeSpace; the rest is numbers.
 * - The network is the set of all messages sent, see Places. A state with more messages can do all
 *   that one with fewer can. So what only sends is not chosen but happens at once (#echo).
 * - States that differ in the numbers of like nodes are one, see symmetries().
 *
 * None of them leaves a violation out, with one thing taken for granted: that a message which a node
 * ignores for its term or role now is ignored for good, see Places.
 *
 * Not covered: several steps before one Ready, which is handled at once; a crash between two Readies
 * of one action; more writes waiting than the bounds say, or one acknowledgement waiting twice; and
 * all that time, limits of size, reads, transfers of leadership and forwarded proposals bring about.
 * The simulator mixes these in.
 */
export class Explorer {
  readonly #bounds: Bounds;
  readonly #space: NodeSpace;
  readonly #places: Places;
  readonly #histories: Histories;
  readonly #states: TupleTable;
  #parents = new Int32Array(1 << 12);
  /** How many nodes there are. The history stands behind their places. */
  readonly #n: number;
  readonly #permuted: Int32Array;
  /** For each permutation, which node takes each place. */
  readonly #origins: readonly (readonly number[])[];
  #transitions = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#n = bounds.nodes.length;
    this.#space = new NodeSpace(bounds);
    this.#histories = new Histories(this.#space);
    this.#places = new Places(this.#space, this.#histories, bounds);
    this.#states = new TupleTable(this.#n + 1);
    this.#permuted = this.#newState();
    this.#origins = this.#space.permutations.map((permutation) => {
      const back = inverse(permutation);
      return bounds.nodes.map((id) => bounds.nodes.indexOf(renameId(id, back)));
    });
  }

  run(): Outcome {
    this.#states.add(this.#root());
    let depth = 0;
    let levelEnd = 1;
    let violation: Violation | undefined;
    let at = 0;
    const state = this.#newState();
    for (; at < this.#states.size && this.#states.size < this.#bounds.maxStates && !violation; at++) {
      if (at === levelEnd) {
        depth++;
        levelEnd = this.#states.size;
      }
      this.#states.read(at, state);
      violation = this.#expand(at, state);
    }
    return {
      states: this.#states.size,
      nodeStates: this.#space.size,
      places: this.#places.size,
      transitions: this.#transitions,
      runs: this.#space.runs,
      depth,
      exhausted: at === this.#states.size && !violation,
      violation,
    };
  }

  /** Goes along a path; returns what is broken at its end, if anything. @throws Error when it cannot be gone */
  replay(path: readonly string[]): string | undefined {
    const state = this.#root();
    const next = this.#newState();
    let broken: string | undefined;
    for (const line of path) {
      const way = this.#ways(state).find(({ i, move }) => this.#line(i, move) === line);
      if (!way) throw new Error(`cannot happen: ${line}`);
      this.#go(state, way, next);
      broken = way.move.violation ?? this.#check(state, next, way.i);
      state.set(next);
    }
    return broken;
  }

  /** See NodeSpace. */
  verify(): number {
    return this.#space.verify();
  }

  #newState(): Int32Array {
    return new Int32Array(this.#n + 1);
  }

  #root(): Int32Array {
    return Int32Array.from([...this.#bounds.nodes.map((id) => this.#places.initial(id)), this.#histories.initial()]);
  }

  #expand(at: number, state: Int32Array): Violation | undefined {
    const next = this.#newState();
    const canonical = this.#newState();
    for (const way of this.#ways(state)) {
      this.#transitions++;
      this.#go(state, way, next);
      this.#canonical(next, canonical);
      const before = this.#states.size;
      if (this.#states.add(canonical) !== before && !way.move.violation) continue;
      this.#setParent(before, at);
      const what = way.move.violation ?? this.#check(state, next, way.i);
      if (what !== undefined) return this.#violation(what, this.#pathTo(at, way));
    }
    return undefined;
  }

  /** In the words of its path, in which the nodes have the numbers of the beginning. */
  #violation(renamed: string, path: readonly string[]): Violation {
    const what = this.replay(path);
    if (what === undefined) throw new Error(`the path does not show it: ${renamed}\n${path.join('\n')}`);
    return { what, path };
  }

  #ways(state: Int32Array): readonly Way[] {
    const { used } = this.#histories.get(state[this.#n] ?? 0);
    const ways: Way[] = [];
    for (let i = 0; i < this.#n; i++)
      for (const cost of kinds) {
        const had = cost === undefined ? 0 : (used[costs.indexOf(cost)] ?? 0);
        if (cost !== undefined && had >= limitOf(this.#bounds, cost)) continue;
        for (const move of this.#places.moves(state[i] ?? 0, cost, had)) ways.push({ i, cost, move });
      }
    return ways;
  }

  #go(state: Int32Array, { i, cost, move }: Way, next: Int32Array): void {
    for (let j = 0; j < this.#n; j++)
      next[j] = this.#places.withMessages(j === i ? move.place : (state[j] ?? 0), move.sends[j] ?? 0);
    this.#echo(next);
    const history = state[this.#n] ?? 0;
    next[this.#n] = this.#histories.step(history, this.#places.stateOf(move.place), cost, move.commits);
  }

  /** Lets happen what only sends messages, until there is nothing of that any more. */
  #echo(state: Int32Array): void {
    for (let quiet = 0, i = 0; quiet < this.#n; i = (i + 1) % this.#n) {
      quiet++;
      const { place: own, sends } = this.#places.echo(state[i] ?? 0);
      if (own !== state[i]) quiet = 0;
      state[i] = own;
      for (let j = 0; j < this.#n; j++) {
        const place = this.#places.withMessages(state[j] ?? 0, sends[j] ?? 0);
        if (place === state[j]) continue;
        state[j] = place;
        quiet = 0;
      }
    }
  }

  /** The least of all states that are the same but for the numbers of the nodes; returns how it is renamed. */
  #canonical(state: Int32Array, least: Int32Array): Permutation {
    let best = this.#space.permutations[0];
    least.set(state);
    const other = this.#permuted;
    for (const permutation of this.#space.permutations) {
      if (permutation.number === 0) continue;
      this.#rename(state, permutation, other);
      if (!isLess(other, least)) continue;
      least.set(other);
      best = permutation;
    }
    if (!best) throw new Error('no permutation at all');
    return best;
  }

  #rename(state: Int32Array, permutation: Permutation, into: Int32Array): void {
    const origins = this.#origins[permutation.number] ?? [];
    for (let j = 0; j < this.#n; j++) into[j] = this.#places.renamed(state[origins[j] ?? 0] ?? 0, permutation);
    into[this.#n] = this.#histories.renamed(state[this.#n] ?? 0, permutation);
  }

  #check(before: Int32Array, after: Int32Array, changed: number): string | undefined {
    const history = after[this.#n] ?? 0;
    const states = this.#bounds.nodes.map((_, i) => this.#places.stateOf(after[i] ?? 0));
    const own = states[changed] ?? 0;
    for (const [i, other] of states.entries()) {
      if (i === changed || history !== before[this.#n]) {
        const broken = this.#histories.check(history, other);
        if (broken !== undefined) return broken;
      }
      if (i === changed) continue;
      const broken = this.#histories.checkMatch(own, other);
      if (broken !== undefined) return broken;
    }
    return this.#histories.checkDurable(history, states);
  }

  #setParent(state: number, parent: number): void {
    if (state >= this.#parents.length) {
      const larger = new Int32Array(this.#parents.length * 2);
      larger.set(this.#parents);
      this.#parents = larger;
    }
    this.#parents[state] = parent;
  }

  #line(i: number, { action }: Move): string {
    return actionString(this.#bounds.nodes[i] ?? 0, action);
  }

  /** From the beginning to a state and one move further, with the numbers that the nodes had at the beginning. */
  #pathTo(last: number, end: Way): readonly string[] {
    const numbers = [last];
    for (let at = last; at !== 0; at = this.#parents[at] ?? 0) numbers.unshift(this.#parents[at] ?? 0);
    let [names] = this.#space.permutations;
    const lines: string[] = [];
    for (const [k, number] of numbers.entries()) {
      const from = this.#newState();
      this.#states.read(number, from);
      const child = numbers[k + 1];
      const { way, permutation } = child === undefined ? { way: end, permutation: names } : this.#between(from, child);
      if (!names || !permutation) throw new Error('no permutation at all');
      const back = inverse(names);
      const id = renameId(this.#bounds.nodes[way.i] ?? 0, back);
      lines.push(actionString(id, renameAction(way.move.action, back)));
      names = compose(names, permutation);
    }
    return lines;
  }

  #between(from: Int32Array, child: number): { readonly way: Way; readonly permutation: Permutation } {
    const to = this.#newState();
    this.#states.read(child, to);
    const next = this.#newState();
    const canonical = this.#newState();
    for (const way of this.#ways(from)) {
      this.#go(from, way, next);
      const permutation = this.#canonical(next, canonical);
      if (canonical.every((word, i) => word === to[i])) return { way, permutation };
    }
    throw new Error(`no action leads to state ${child}`);
  }
}

function isLess(a: Int32Array, b: Int32Array): boolean {
  for (const [i, word] of a.entries()) {
    const other = b[i] ?? 0;
    if (word !== other) return word < other;
  }
  return false;
}
