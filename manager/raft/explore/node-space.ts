import { messageOf } from '../../../lib/errors.js';
import { deepFreeze } from '../core/testing/deep-freeze.js';
import { ConfState, type Message, type NodeId } from '../core/types.js';
import { type Action, actionString } from './action.js';
import type { Bounds } from './bounds.js';
import { fingerprint, withheld } from './fingerprint.js';
import { Interner } from './interner.js';
import { type Commit, type Done, LiveNode } from './live-node.js';
import { checkStep } from './local-checks.js';
import { messageKey } from './machine.js';
import { isWithin, type NodeState, nodeStateOf } from './node-state.js';
import { type Permutation, renameAction, renameId, renameMessage, symmetries } from './symmetry.js';
import { TupleTable } from './tuple-table.js';

/** What an action does to a node. */
export interface Step {
  readonly next: number;
  readonly sends: readonly number[];
  readonly commits: readonly Commit[];
  /** In how many places it could have crashed on the way, after the first write. */
  readonly writes: number;
  readonly violation?: string;
}

interface Known {
  readonly state: NodeState;
  readonly parent: number;
  readonly action: Action | undefined;
  readonly base: string;
  readonly withheld: readonly (readonly string[])[];
  /** The last other way into this state that was seen. */
  other: { readonly parent: number; readonly action: Action } | undefined;
}

const keptLive = 4096;

/**
 * The states that single nodes get into, each with a number, and what each action does in each.
 *
 * A node is deterministic: what it does depends on its own state and what happens to it, whatever
 * the others are in. There are far fewer states of one node than of the group, so the core runs once
 * for each pair of state and action, on a node that is brought there by all that happened to it.
 */
export class NodeSpace {
  readonly #bounds: Bounds;
  readonly #known: Known[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #messages = new Interner<Message>();
  readonly #actions = new Interner<Action>();
  /** Nodes as they were left by the last steps, by their state: mostly the next step goes on from there. */
  readonly #live = new Map<number, LiveNode>();
  /** (node state, action) and what it does. */
  readonly #steps = new TupleTable(2);
  readonly #results: (Step | undefined)[] = [];
  readonly #pair = new Int32Array(2);
  /** How often the core was asked. */
  runs = 0;

  readonly permutations: readonly Permutation[];
  readonly #renamed: (number | undefined)[][];

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.permutations = symmetries(bounds);
    this.#renamed = this.permutations.map(() => []);
  }

  get size(): number {
    return this.#known.length;
  }

  state(number: number): NodeState {
    return this.#get(number).state;
  }

  /** Whether two states differ at most in that the second withholds more messages until its writes are done. */
  isMore(number: number, than: number): boolean {
    if (number === than) return true;
    const more = this.#get(number);
    const less = this.#get(than);
    if (more.base !== less.base) return false;
    return less.withheld.every((messages, i) => messages.every((key) => more.withheld[i]?.includes(key)));
  }

  message(number: number): Message {
    return this.#messages.get(number);
  }

  action(number: number): Action {
    return this.#actions.get(number);
  }

  numberOf(action: Action): number {
    return this.#actions.add(this.#actionKey(action), () => action);
  }

  #actionKey(action: Action): string {
    switch (action.kind) {
      case 'receive':
        return `receive ${this.#number(action.message)}`;
      case 'propose':
        return `propose ${action.payload}`;
      case 'change':
        return JSON.stringify(action.change);
      case 'crash':
        return `crash ${action.writes} ${action.during ? this.#actionKey(action.during) : ''}`;
      default:
        return action.kind;
    }
  }

  initial(id: NodeId): number {
    return this.#add(this.#fresh(id), -1, undefined);
  }

  /** Undefined when nothing happens, or what is beyond the bounds. */
  step(from: number, action: number): Step | undefined {
    this.#pair[0] = from;
    this.#pair[1] = action;
    const before = this.#steps.size;
    const number = this.#steps.add(this.#pair);
    if (number === before) {
      this.#results.push(undefined);
      this.#results[number] = this.#run(this.#take(from), from, this.action(action));
    }
    return this.#results[number];
  }

  #run(live: LiveNode, from: number, action: Action): Step | undefined {
    this.runs++;
    let done: Done;
    try {
      done = live.do(action);
    } catch (error) {
      return { next: from, sends: [], commits: [], writes: 0, violation: `the core gave up: ${messageOf(error)}` };
    }
    if (!isWithin(live, this.#bounds)) return undefined;
    const next = this.#add(live, from, action);
    this.#live.set(next, live);
    if (this.#live.size > keptLive) this.#live.delete(this.#live.keys().next().value ?? 0);
    const sends = [...new Set(done.sent.map((m) => this.#number(m)))].sort((a, b) => a - b);
    if (next === from && sends.length === 0) return undefined;
    const violation = checkStep(this.state(from), this.state(next), action);
    return { next, sends, commits: done.commits, writes: done.writes, ...(violation !== undefined && { violation }) };
  }

  #fresh(id: NodeId): LiveNode {
    const { config, acknowledgesLater, environment, voters } = this.#bounds;
    return new LiveNode(id, { config, acknowledgesLater, environment }, ConfState.create({ voters }));
  }

  /** The state of the renamed node after the renamed actions. */
  renamed(number: number, permutation: Permutation): number {
    const memo = this.#renamed[permutation.number] ?? [];
    let renamed = memo[number];
    if (renamed === undefined) {
      const { parent, action, state } = this.#get(number);
      renamed = action
        ? this.#renamedStep(this.renamed(parent, permutation), renameAction(action, permutation))
        : this.initial(renameId(state.node, permutation));
      memo[number] = renamed;
    }
    return renamed;
  }

  #renamedStep(from: number, action: Action): number {
    const step = this.step(from, this.numberOf(action));
    if (!step) throw new Error('a node does not do what the other would do with its number');
    return step.next;
  }

  renamedMessage(number: number, permutation: Permutation): number {
    return this.#number(renameMessage(this.message(number), permutation));
  }

  /**
   * Does all steps again on nodes that got into their states in another way: states that are taken to
   * be the same must do the same. Returns how many. @throws Error where they differ
   */
  verify(): number {
    let count = 0;
    for (let number = this.#steps.size - 1; number >= 0; number--) {
      this.#steps.read(number, this.#pair);
      const [from = 0, action = 0] = this.#pair;
      const { other } = this.#get(from);
      if (!other) continue;
      const live = this.#replay(other.parent);
      live.do(other.action);
      const again = JSON.stringify(this.#run(live, from, this.action(action)));
      const before = JSON.stringify(this.#results[number]);
      if (again !== before)
        throw new Error(`${actionString(live.id, this.action(action))} does ${before} and ${again} in state ${from}`);
      count++;
    }
    return count;
  }

  /** A node in this state, which is the caller's to change. */
  #take(number: number): LiveNode {
    const live = this.#live.get(number);
    if (!live) return this.#replay(number);
    this.#live.delete(number);
    return live;
  }

  #replay(number: number): LiveNode {
    const actions: Action[] = [];
    let at = this.#get(number);
    for (; at.action; at = this.#get(at.parent)) actions.push(at.action);
    const live = this.#fresh(at.state.node);
    for (const action of actions.reverse()) live.do(action);
    return live;
  }

  #get(number: number): Known {
    const known = this.#known[number];
    if (!known) throw new RangeError(`no node state ${number}`);
    return known;
  }

  #add(live: LiveNode, parent: number, action: Action | undefined): number {
    const base = fingerprint(live);
    const held = withheld(live);
    const key = JSON.stringify([base, held]);
    const found = this.#numbers.get(key);
    if (found !== undefined) {
      const known = this.#get(found);
      if (action && found !== parent && known.parent !== parent) known.other = { parent, action };
      return found;
    }
    this.#known.push({ state: nodeStateOf(live), parent, action, base, withheld: held, other: undefined });
    this.#numbers.set(key, this.#known.length - 1);
    return this.#known.length - 1;
  }

  #number(m: Message): number {
    return this.#messages.add(messageKey(m), () => deepFreeze(m));
  }
}
