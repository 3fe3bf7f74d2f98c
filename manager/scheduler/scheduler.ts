import { SwarmError } from '../../lib/errors.js';
import { type Node, NodeState, type Service, type Task, TaskState, TaskStatus } from '../../proto/gen/index.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { isWanted, waitsForOthers } from '../common/tasks.js';
import { type Commit, isEvent, type Kind, type ReadView, type WriteView } from '../store/store.js';
import { demandOf, readNodes } from './demand.js';
import { explain, NOTHING, refuseNode, refuseRoom } from './filters.js';
import { groupKey, NodeInfo } from './node-info.js';
import { place } from './placement.js';

/** Tasks that could not be placed are tried again at most this often, however fast nodes change; ms. */
const RETRY_INTERVAL = 50;
/**
 * So long after its start a scheduler decides nothing while there are nodes that nobody knows of whether they are there:
 * a new leader hears of them one after the other, and the first one would get all that is to be placed; ms.
 */
const GATHERING = 1_000;

/** PENDING tasks of one service at one version of its spec. */
type Group = Map<string, Task>;

interface Decision {
  readonly task: Task;
  /** Undefined when no node does. */
  readonly node: NodeInfo | undefined;
  readonly explanation: string;
}

/**
 * Gives PENDING tasks a node. A task that was made for one node (of a global service) is only checked
 * against it. When no node does, the task says why, and is tried again when a node changes or a task
 * leaves one.
 */
export class Scheduler implements Reaction {
  readonly kinds: readonly Kind[] = ['node', 'task', 'service'];
  readonly #options: LoopOptions;
  readonly #loop: ControlLoop;
  #nodes = new Map<string, NodeInfo>();
  #groups = new Map<string, Group>();
  /** Groups with tasks that have not been looked at. */
  #fresh = new Set<string>();
  /** Groups that found no room. */
  #stuck = new Set<string>();
  #retryAt = 0;
  #retryDue = false;
  #cancelRetry: () => void = () => {};
  #gatheringUntil = 0;
  #cancelGathering: () => void = () => {};

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#loop = new ControlLoop(options);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal, this);
    this.#cancelRetry();
    this.#cancelGathering();
  }

  start(view: ReadView): void {
    const { clock } = this.#options;
    this.#gatheringUntil = clock.monotonic() + GATHERING;
    this.#cancelGathering();
    this.#cancelGathering = clock.after(GATHERING, () => this.#loop.wake());
    this.#nodes = readNodes(view);
    this.#groups = new Map();
    this.#fresh = new Set();
    this.#stuck = new Set();
    this.#retryDue = false;
    for (const task of view.list('task')) this.#taskSeen(task);
  }

  observe(commit: Commit): void {
    for (const event of commit.events) {
      const removed = event.action === 'remove';
      if (isEvent(event, 'service')) this.#serviceSeen(event.object, event.old);
      else if (isEvent(event, 'node')) removed ? this.#nodes.delete(event.object.id) : this.#nodeSeen(event.object);
      else if (isEvent(event, 'task')) removed ? this.#taskGone(event.object) : this.#taskSeen(event.object, event.old);
    }
  }

  async act(): Promise<void> {
    if (this.#isGathering()) return;
    const keys = new Set(this.#fresh);
    this.#fresh.clear();
    if (this.#mayRetry()) for (const key of this.#stuck) keys.add(key);
    const decisions: Decision[] = [];
    for (const key of keys) decisions.push(...this.#schedule(key));
    const written = new Set<Decision>();
    await this.#options.store.batch(decisions, (draft, decision) => {
      if (this.#write(draft, decision)) written.add(decision);
    });
    for (const decision of decisions) if (decision.node && !written.has(decision)) this.#rebook(decision.task.id);
  }

  // ---- what is learned from the store --------------------------------------------------------

  #nodeSeen(node: Node): void {
    const info = this.#nodes.get(node.id);
    if (info) info.node = node;
    else this.#nodes.set(node.id, new NodeInfo(node));
    this.#retry();
  }

  /** Its tasks may have to wait for other services no more. */
  #serviceSeen(service: Service, old?: Service): void {
    if (!old || !waitsForOthers(old) || waitsForOthers(service)) return;
    for (const key of this.#groups.keys()) if (key.startsWith(`${service.id}/`)) this.#fresh.add(key);
  }

  #taskSeen(task: Task, old?: Task): void {
    const info = this.#nodes.get(task.nodeId);
    if (info?.put(task)) this.#retry();
    const died = task.status.state === TaskState.FAILED || task.status.state === TaskState.REJECTED;
    if (died && (old === undefined || old.status.state <= TaskState.RUNNING) && isWanted(task))
      info?.failed(groupKey(task), this.#options.clock.now());
    if (task.status.state === TaskState.PENDING && isWanted(task)) this.#pending(task);
    else this.#forget(task);
  }

  #taskGone(task: Task): void {
    if (this.#nodes.get(task.nodeId)?.remove(task.id)) this.#retry();
    this.#forget(task);
  }

  #pending(task: Task): void {
    const key = groupKey(task);
    const group = this.#groups.get(key);
    const known = group?.has(task.id) ?? false;
    if (group) group.set(task.id, task);
    else this.#groups.set(key, new Map([[task.id, task]]));
    if (known) return; // what was written about it here, read back
    this.#fresh.add(key);
  }

  #forget(task: Task): void {
    const key = groupKey(task);
    const group = this.#groups.get(key);
    if (!group?.delete(task.id) || group.size > 0) return;
    this.#groups.delete(key);
    this.#fresh.delete(key);
    this.#stuck.delete(key);
  }

  #isGathering(): boolean {
    if (this.#options.clock.monotonic() >= this.#gatheringUntil) return false;
    for (const { node } of this.#nodes.values()) if (node.status.state === NodeState.UNKNOWN) return true;
    return false;
  }

  /** Something has become free: at once, and then not again for a while. */
  #retry(): void {
    this.#retryDue = this.#stuck.size > 0;
  }

  #mayRetry(): boolean {
    if (!this.#retryDue) return false;
    const { clock } = this.#options;
    const wait = this.#retryAt - clock.monotonic();
    if (wait > 0) {
      this.#cancelRetry();
      this.#cancelRetry = clock.after(wait, () => this.#loop.wake());
      return false;
    }
    this.#retryDue = false;
    this.#retryAt = clock.monotonic() + RETRY_INTERVAL;
    return true;
  }

  // ---- what is decided -----------------------------------------------------------------------

  /** Decides on all tasks of a group and books them. @returns what is to be written */
  #schedule(key: string): readonly Decision[] {
    const group = this.#groups.get(key);
    if (!group || this.#isHeld(group)) return [];
    const decisions = [...this.#decide(key, group)];
    this.#stuck.delete(key);
    for (const { task, node } of decisions) if (node) this.#book(task, node);
    if (this.#groups.has(key)) this.#stuck.add(key);
    return decisions.filter((d) => d.node || d.task.status.error !== d.explanation);
  }

  #isHeld(group: Group): boolean {
    const [first] = group.values();
    const service = this.#options.store.view().get('service', first?.serviceId ?? '');
    return service !== undefined && waitsForOthers(service);
  }

  *#decide(key: string, group: Group): Iterable<Decision> {
    const open: Task[] = [];
    for (const task of group.values()) {
      if (task.nodeId !== '') yield this.#check(task);
      else open.push(task);
    }
    const [first] = open;
    if (!first) return;
    const demand = demandOf(this.#options.store.view(), first);
    if (demand instanceof SwarmError) {
      for (const task of open) yield { task, node: undefined, explanation: demand.message };
      return;
    }
    const now = this.#options.clock.now();
    const placement = place(demand, open.length, this.#nodes.values(), (info) => info.isFailing(key, now));
    for (const [i, task] of open.entries()) {
      yield { task, node: placement.nodes[i], explanation: placement.explanation };
    }
  }

  #check(task: Task): Decision {
    const info = this.#nodes.get(task.nodeId);
    if (!info) return { task, node: undefined, explanation: `no suitable node (node ${task.nodeId} does not exist)` };
    const demand = demandOf(this.#options.store.view(), task);
    if (demand instanceof SwarmError) return { task, node: undefined, explanation: demand.message };
    const refusal = refuseNode(info, demand) ?? refuseRoom(info, demand, NOTHING);
    return { task, node: refusal ? undefined : info, explanation: refusal ? explain([refusal]) : '' };
  }

  /** @returns false when the decision is no longer about what the store has */
  #write(draft: WriteView, { task: decided, node, explanation }: Decision): boolean {
    const task = draft.get('task', decided.id);
    if (!task || task.status.state !== TaskState.PENDING || !isWanted(task)) return false;
    const timestamp = this.#options.clock.now();
    if (!node) {
      const status = { ...task.status, timestamp, message: 'pending task scheduling', error: explanation };
      draft.update('task', { ...task, status });
      return true;
    }
    if (!draft.get('node', node.node.id)) return false;
    const message = 'scheduler assigned task to node';
    const status = TaskStatus.create({ state: TaskState.ASSIGNED, timestamp, message });
    draft.update('task', { ...task, nodeId: node.node.id, status });
    return true;
  }

  /** Counts the task on its node before the store has it, so that the next decision knows. */
  #book(task: Task, info: NodeInfo): void {
    this.#forget(task);
    info.put({ ...task, nodeId: info.node.id, status: { ...task.status, state: TaskState.ASSIGNED } });
  }

  /** Undoes a booking that came to nothing, by what the store says. */
  #rebook(taskId: string): void {
    for (const info of this.#nodes.values()) info.remove(taskId);
    const task = this.#options.store.view().get('task', taskId);
    if (task) this.#taskSeen(task);
  }
}
