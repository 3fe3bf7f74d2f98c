import { MsgType, type NodeId } from '../core/types.js';
import { type Action, isStep, type StepAction } from './action.js';
import { type Bounds, type Cost, costs } from './bounds.js';
import type { Histories } from './history.js';
import { Interner } from './interner.js';
import type { NodeSpace, Step } from './node-space.js';
import { paidAction } from './node-state.js';
import type { Permutation } from './symmetry.js';
import { TupleTable } from './tuple-table.js';

/** One way on from a place. */
export interface Move {
  readonly action: Action;
  /** The node's place afterwards. */
  readonly place: number;
  /** For each node, in order, the set of messages that is sent to it. */
  readonly sends: readonly number[];
  readonly commits: number;
  readonly violation: string | undefined;
}

export interface Echo {
  readonly place: number;
  /** As in Move. */
  readonly sends: readonly number[];
}

const noMessages = 0;
const placeWords = 2;

/**
 * A place is a state of one node, and the set of messages that were ever sent to it.
 *
 * A message stays in the set when it is delivered, so any may come at any time, in any order, any
 * number of times, or never: one set stands for loss, delay, reordering and duplication at once.
 */
export class Places {
  readonly #space: NodeSpace;
  readonly #histories: Histories;
  readonly #bounds: Bounds;
  readonly #renamed: (number | undefined)[][];
  readonly #renamedSets: (number | undefined)[][];
  /** (node state, message set) */
  readonly #places = new TupleTable(placeWords);
  readonly #sets = new Interner<readonly number[]>();
  /** For each message, the action of receiving it. */
  readonly #receives: (number | undefined)[] = [];
  readonly #moves = new Map<number, readonly Move[]>();
  /** (place, message set) and the place with these messages. */
  readonly #arrivals = new TupleTable(2);
  readonly #arrivalPlaces: number[] = [];
  readonly #echoes: Echo[] = [];
  readonly #pair = new Int32Array(2);
  readonly #place = new Int32Array(placeWords);

  constructor(space: NodeSpace, histories: Histories, bounds: Bounds) {
    this.#space = space;
    this.#histories = histories;
    this.#sets.add('', () => []);
    this.#renamed = space.permutations.map(() => []);
    this.#renamedSets = space.permutations.map(() => []);
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#places.size;
  }

  initial(id: NodeId): number {
    return this.#number(this.#space.initial(id), noMessages);
  }

  /** The number of the node state. */
  stateOf(place: number): number {
    this.#places.read(place, this.#place);
    return this.#place[0] ?? 0;
  }

  /** What can happen here; `cost` limits it to what costs that, of which `used` were had. */
  moves(place: number, cost: Cost | undefined, used: number): readonly Move[] {
    const kind = cost === undefined ? 0 : 1 + costs.indexOf(cost) + costs.length * used;
    const key = place * 64 + kind;
    const known = this.#moves.get(key);
    if (known) return known;
    const moves = this.#find(place, cost, used);
    this.#moves.set(key, moves);
    return moves;
  }

  /**
   * What can happen here that leaves the node as it is but for what it sends, now or when its writes
   * are done: it happens at once, since more messages can only make more possible.
   */
  echo(place: number): Echo {
    const known = this.#echoes[place];
    if (known) return known;
    const from = this.stateOf(place);
    const messages = this.#messages(place);
    let state = from;
    const sends: number[] = [];
    const take = (step: Step | undefined) => {
      if (!step || !this.#space.isMore(step.next, state)) return;
      state = step.next;
      sends.push(...step.sends);
    };
    for (const number of messages) take(this.#receive(state, number));
    for (const action of this.#space.state(state).free) take(this.#space.step(state, this.#space.numberOf(action)));
    const echo = {
      place: state === from ? place : this.#number(state, this.#set(messages)),
      sends: this.#bundles(sends),
    };
    this.#echoes[place] = echo;
    return echo;
  }

  /** The place when these messages, too, were sent to the node. */
  withMessages(place: number, set: number): number {
    if (set === noMessages) return place;
    this.#pair[0] = place;
    this.#pair[1] = set;
    const before = this.#arrivals.size;
    const number = this.#arrivals.add(this.#pair);
    if (number === before) {
      const state = this.stateOf(place);
      const union = new Set([...this.#messages(place), ...this.#sets.get(set)]);
      this.#arrivalPlaces.push(this.#number(state, this.#set([...union])));
    }
    return this.#arrivalPlaces[number] ?? 0;
  }

  /** The place of the renamed node. */
  renamed(place: number, permutation: Permutation): number {
    const memo = this.#renamed[permutation.number] ?? [];
    let renamed = memo[place];
    if (renamed === undefined) {
      this.#places.read(place, this.#place);
      const [state = 0, set = 0] = this.#place;
      renamed = this.#number(this.#space.renamed(state, permutation), this.#renamedSet(set, permutation));
      memo[place] = renamed;
    }
    return renamed;
  }

  #renamedSet(set: number, permutation: Permutation): number {
    const memo = this.#renamedSets[permutation.number] ?? [];
    const messages = this.#sets.get(set);
    const renamed = memo[set] ?? this.#set(messages.map((m) => this.#space.renamedMessage(m, permutation)));
    memo[set] = renamed;
    return renamed;
  }

  #messages(place: number): readonly number[] {
    this.#places.read(place, this.#place);
    return this.#sets.get(this.#place[1] ?? 0);
  }

  #find(place: number, cost: Cost | undefined, used: number): readonly Move[] {
    const from = this.stateOf(place);
    const messages = this.#messages(place);
    const { free, paid } = this.#space.state(from);
    const moves: Move[] = [];
    const go = (action: Action) => {
      const step = this.#space.step(from, this.#space.numberOf(action));
      if (!step) return;
      // What is free and only sends has happened already.
      if (cost === undefined && step.violation === undefined && this.#space.isMore(step.next, from)) return;
      moves.push(this.#move(action, step, messages));
    };
    const steps: StepAction[] = messages.map((number) => this.#arrival(number));
    if (cost === undefined) {
      for (const action of [...free, ...steps]) go(action);
      return moves;
    }
    for (let way = 0; way < paid[cost]; way++) go(paidAction(this.#bounds, cost, used, way));
    if (cost === 'crashes')
      for (const during of [...free.filter(isStep), ...steps])
        for (let writes = this.#space.step(from, this.#space.numberOf(during))?.writes ?? 0; writes > 0; writes--)
          go({ kind: 'crash', writes, during });
    return moves;
  }

  #arrival(message: number): StepAction {
    return { kind: 'receive', message: this.#space.message(message) };
  }

  #move(action: Action, { next, sends, commits, violation }: Step, messages: readonly number[]): Move {
    return {
      action,
      place: this.#number(next, this.#set(messages)),
      sends: this.#bundles(sends),
      commits: this.#histories.commits(commits),
      violation,
    };
  }

  #bundles(sends: readonly number[]): readonly number[] {
    return this.#bounds.nodes.map((id) => this.#set(sends.filter((number) => this.#space.message(number).to === id)));
  }

  #receive(from: number, message: number): Step | undefined {
    let action = this.#receives[message];
    if (action === undefined) {
      action = this.#space.numberOf(this.#arrival(message));
      this.#receives[message] = action;
    }
    return this.#space.step(from, action);
  }

  #number(state: number, set: number): number {
    const messages = this.#sets.get(set);
    const kept = messages.filter((number) => !this.#isDead(state, number));
    this.#place[0] = state;
    this.#place[1] = kept.length < messages.length ? this.#set(kept) : set;
    return this.#places.add(this.#place);
  }

  /**
   * A message that changes nothing now, and cannot ever, since no crash makes a node forget the term
   * that it has on disk: one of an older term, and an answer to a role that the node no longer has in
   * this one, or a vote that was counted.
   */
  #isDead(state: number, message: number): boolean {
    const m = this.#space.message(message);
    const { disk, role } = this.#space.state(state);
    if (m.term === 0 || m.term > disk.term) return false;
    const step = this.#receive(state, message);
    if (step && step.next !== state) return false;
    if (m.term < disk.term) return step === undefined;
    if (m.type === MsgType.MsgVoteResp) return true;
    return (m.type === MsgType.MsgAppResp || m.type === MsgType.MsgHeartbeatResp) && role === 'StateFollower';
  }

  #set(numbers: readonly number[]): number {
    const sorted = [...new Set(numbers)].sort((a, b) => a - b);
    return this.#sets.add(sorted.join(), () => sorted);
  }
}
