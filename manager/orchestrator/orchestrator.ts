import { newId } from '../../lib/ids.js';
import { type Node, type Service, type Task, TaskState } from '../../proto/gen/index.js';
import type { Cause } from '../common/changes.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import {
  isDirty,
  isGlobal,
  isHeldBack,
  isJob,
  isLost,
  isStopped,
  isWanted,
  newTask,
  runState,
  withDesiredState,
} from '../common/tasks.js';
import { isUnderWay, runOf, withoutRun } from '../jobs/runs.js';
import { type Commit, isEvent, type Kind, type ReadView, type WriteView } from '../store/store.js';
import { type NewSlot, planService, tolerates } from './plan.js';
import { allowsRestart, restartDelay, restartsAfter, whileDelayed } from './restart.js';
import { slotName, tasksInSlot } from './slots.js';
import { DelayedStarts } from './starts.js';
import { disinherit, leavesLast, succeed, waitsForItsNode } from './succession.js';
import { tasksByChange } from './told.js';
import { type Change, Updater } from './updater.js';

/**
 * Makes the tasks of every service what its spec asks for: replicated services and jobs slot by
 * slot, global ones node by node. Restarts what ended by the restart policy, moves what lost its
 * node or no longer meets its constraints there, replaces tasks of an older spec by an update, and
 * notes which runs of jobs are over.
 *
 * A change of one task costs its slot, a change of a node the tasks on it, a change of a service its
 * tasks; nothing costs all tasks.
 */
export class Orchestrator implements Reaction {
  readonly kinds: readonly Kind[] = ['service', 'task', 'node'];
  readonly #options: LoopOptions;
  readonly #newId: () => string;
  readonly #loop: ControlLoop;
  readonly #starts: DelayedStarts;
  readonly #updater: Updater;
  #globals = new Set<string>();
  /** Tasks for which there may be an heir, which runs before they stop. */
  #bequeathed = new Set<string>();
  /** Services to compare with their spec, nodes whose tasks to look at, tasks to look at. */
  #services = new Set<string>();
  /** Why services are gone whose tasks have to follow. */
  readonly #removals = new Map<string, Cause>();
  #nodes = new Set<string>();
  #tasks = new Set<string>();

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#newId = options.newId ?? newId;
    this.#loop = new ControlLoop(options);
    const wake = () => this.#loop.wake();
    this.#starts = new DelayedStarts(options.clock, wake);
    this.#updater = new Updater({ ...options, wake });
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal, this);
    this.#starts.clear();
    this.#updater.clear();
  }

  start(view: ReadView): void {
    this.#globals = new Set();
    this.#bequeathed = new Set();
    this.#removals.clear();
    this.#starts.clear();
    this.#updater.clear();
    for (const service of view.list('service')) this.#serviceSeen(service);
    for (const node of view.list('node')) this.#nodes.add(node.id);
    for (const task of view.list('task')) {
      this.#taskSeen(task);
      if (isWanted(task)) this.#tasks.add(task.id);
      // Its service may have gone just before the managers did: then its history is to go too.
      else if (task.serviceId !== '' && !view.get('service', task.serviceId)) this.#services.add(task.serviceId);
    }
  }

  observe(commit: Commit): void {
    for (const [change, tasks] of tasksByChange(commit)) {
      this.#options.log.info({ change, ...tasks }, 'tasks made, given nodes, or stopped for an operator');
    }
    for (const event of commit.events) {
      const removed = event.action === 'remove';
      if (isEvent(event, 'task')) {
        removed ? this.#taskGone(event.object) : this.#taskSeen(event.object, event.old);
      } else if (isEvent(event, 'service')) {
        if (removed) this.#serviceGone(event.object);
        else if (!event.old || concerns(event.object, event.old)) this.#serviceSeen(event.object, event.old);
      } else if (isEvent(event, 'node')) this.#nodes.add(event.object.id);
    }
  }

  async act(): Promise<void> {
    const view = this.#options.store.view();
    const changes: Change[] = [];
    for (const id of take(this.#nodes)) this.#lookAtNode(view, id);
    for (const id of take(this.#tasks)) changes.push((draft) => this.#lookAtTask(draft, id));
    for (const id of take(this.#starts.due)) changes.push((draft) => this.#startTask(draft, id));
    for (const id of take(this.#services)) changes.push(...this.#reconcile(view, id));
    changes.push(...this.#updater.step());
    const { failed } = await this.#options.store.batch(changes, (draft, change) => change(draft));
    for (const error of failed.values()) throw error;
  }

  // ---- what is learned from the store --------------------------------------------------------

  #serviceSeen(service: Service, old?: Service): void {
    if (isGlobal(service)) this.#globals.add(service.id);
    if (old && old.specVersion !== service.specVersion) this.#updater.specChanged(service.id);
    this.#services.add(service.id);
  }

  #serviceGone(service: Service): void {
    this.#removals.set(service.id, service);
    this.#globals.delete(service.id);
    this.#updater.forget(service.id);
    this.#services.add(service.id);
  }

  #taskSeen(task: Task, old?: Task): void {
    const wanted = isWanted(task);
    const ended = task.status.state > TaskState.RUNNING;
    const assigned = task.nodeId !== '' && old?.nodeId === '';
    const moves = task.moveTo !== (old?.moveTo ?? '');
    const starts = task.status.state === TaskState.RUNNING && old?.status.state !== TaskState.RUNNING;
    if (wanted && (ended || assigned || moves || starts)) this.#tasks.add(task.id);
    if (!wanted) this.#bequeathed.delete(task.id);
    if (task.replaces !== '') this.#heirSeen(task);
    if (isStopped(task)) this.#starts.slotChanged(slotName(task));
    if (isHeldBack(task)) this.#starts.add(task.id, slotName(task), task.desiredStateSince, task.startAfter);
    else this.#starts.remove(task.id);
    this.#updater.observe(task);
  }

  /** The one it is to replace may go when the heir runs, and needs another when it does not come to that. */
  #heirSeen(heir: Task): void {
    if (isWanted(heir) && heir.status.state < TaskState.RUNNING) this.#bequeathed.add(heir.replaces);
    else this.#tasks.add(heir.replaces);
  }

  #taskGone(task: Task): void {
    this.#bequeathed.delete(task.id);
    this.#starts.remove(task.id);
    this.#starts.slotChanged(slotName(task));
    this.#tasks.delete(task.id);
    if (isWanted(task) && task.serviceId !== '') this.#services.add(task.serviceId);
  }

  // ---- what is decided -----------------------------------------------------------------------

  /** What is on the node may have to leave it; global services may want a task there. */
  #lookAtNode(view: ReadView, id: string): void {
    const node = view.get('node', id);
    const has = new Set<string>();
    for (const task of view.tasksOfNode(id)) {
      if (isLost(node)) this.#starts.slotChanged(slotName(task));
      if (!isWanted(task)) continue;
      // What a run of a job has completed there is not what the next one wants.
      if (isUnderWay(task)) has.add(task.serviceId);
      if (!tolerates(node, task.spec) || this.#bequeathed.has(task.id)) this.#tasks.add(task.id);
    }
    for (const serviceId of this.#globals) if (node && !has.has(serviceId)) this.#services.add(serviceId);
  }

  /** Replaces a task that has ended or must leave its node. */
  #lookAtTask(draft: WriteView, id: string): void {
    const task = draft.get('task', id);
    if (!task || !isWanted(task) || task.serviceId === '') return;
    const now = this.#options.clock.now();
    const service = draft.get('service', task.serviceId);
    if (!service || service.pendingDelete) {
      draft.update('task', withDesiredState(task, TaskState.REMOVE, now, service));
      return;
    }
    const ended = task.status.state > TaskState.RUNNING;
    const node = draft.get('node', task.nodeId);
    const displaced = task.nodeId !== '' && !tolerates(node, task.spec);
    if (isJob(service) && task.status.state === TaskState.COMPLETE) {
      this.#lookAgain(service.id); // the next of its slots can go on
      return;
    }
    if (!ended && !displaced && task.moveTo === '') {
      this.#bequeathed.delete(id);
      const others = disinherit(draft, service, task, (heir) => heir.status.state === TaskState.RUNNING, now);
      // It was to leave its node, and need not any more; what runs in its place by now goes on.
      if (others.some((other) => other.replaces === id)) this.#stop(draft, id);
      else if (task.status.state === TaskState.RUNNING && !isDirty(service, task))
        this.#retireOld(draft, service, task, now);
      return;
    }
    if (leavesLast(service, task, node, displaced)) {
      if (task.moveTo === '') disinherit(draft, service, task, (heir) => !waitsForItsNode(heir), now);
      succeed(draft, service, task, displaced, { id: this.#newId(), now });
      return;
    }
    if (!ended && !displaced) return;
    const cause = displaced && !isLost(node) ? node : undefined;
    const stopped = draft.update('task', withDesiredState(task, TaskState.SHUTDOWN, now, cause));
    if (isJob(service)) this.#lookAgain(service.id);
    if (displaced && isGlobal(service)) return;
    giveUpMove(draft, task);
    const others = disinherit(draft, service, task, (heir) => !waitsForItsNode(heir), now);
    if (isTakenOver(service, task, others)) return;
    if (!allowsRestart(service, task, now)) return;
    this.#replace(draft, service, stopped, node, now);
  }

  /** What an older spec has left in the slot may go, as the one that replaces it runs. */
  #retireOld(draft: WriteView, service: Service, task: Task, now: number): void {
    for (const other of tasksInSlot(draft, service, task)) {
      if (isWanted(other) && isDirty(service, other))
        draft.update('task', withDesiredState(other, TaskState.SHUTDOWN, now, service));
    }
  }

  /** From within a transaction: the service is compared with its spec after it. */
  #lookAgain(serviceId: string): void {
    this.#services.add(serviceId);
    this.#loop.wake();
  }

  /** A successor: at once when the node is lost, else when the old one has stopped and the delay is over. */
  #replace(draft: WriteView, service: Service, task: Task, node: Node | undefined, now: number): void {
    const ended = task.status.state > TaskState.RUNNING;
    // What another spec has come to says nothing of this one.
    const restarts = isDirty(service, task) ? undefined : restartsAfter(task, now);
    const delay = ended ? restartDelay(task.spec.restart, restarts?.failures) : 0;
    const atOnce = delay === 0 && (ended || isLost(node) || isStopped(withDesiredState(task, TaskState.SHUTDOWN, now)));
    const place = { slot: task.slot, nodeId: isGlobal(service) ? task.nodeId : '' };
    const desiredState = atOnce ? runState(service) : whileDelayed(task);
    const startAfter = atOnce ? 0 : now + delay;
    const iteration = task.jobIteration?.iteration;
    const cause = isDirty(service, task) ? service : task;
    const fields = { id: this.#newId(), ...place, desiredState, iteration, now, startAfter, restarts, cause };
    draft.create('task', newTask(service, fields));
  }

  #startTask(draft: WriteView, id: string): void {
    const task = draft.get('task', id);
    const service = draft.get('service', task?.serviceId ?? '');
    if (!task || !service || !isHeldBack(task)) return;
    if (!this.#starts.mayStart(id, isOccupied(draft, service, task))) return;
    draft.update('task', withDesiredState(task, runState(service), this.#options.clock.now()));
  }

  #reconcile(view: ReadView, id: string): Change[] {
    const service = view.get('service', id);
    const removed = service ?? this.#removals.get(id);
    this.#removals.delete(id);
    if (!service || service.pendingDelete)
      return [...view.tasksOfService(id)].map((task) => this.#removal(task, removed));
    const now = this.#options.clock.now();
    const isHeld = (task: Task) => !allowsRestart(service, task, now);
    const plan = planService(service, view.tasksOfService(id), () => view.list('node'), isHeld);
    this.#updater.plan(service, plan.dirty);
    return [
      ...plan.remove.map((task) => this.#removal(task, service)),
      ...plan.superseded.map(
        ({ id: taskId }) =>
          (draft: WriteView) =>
            this.#stop(draft, taskId, service),
      ),
      ...plan.create.map((slot) => (draft: WriteView) => this.#create(draft, id, slot)),
      ...plan.over.map((iteration) => (draft: WriteView) => this.#endRun(draft, service, iteration)),
    ];
  }

  #create(draft: WriteView, serviceId: string, { slot, nodeId, iteration }: NewSlot): void {
    const service = draft.get('service', serviceId);
    if (!service || service.pendingDelete) return;
    const now = this.#options.clock.now();
    const place = { slot, nodeId, iteration };
    const task = newTask(service, { id: this.#newId(), ...place, desiredState: runState(service), now });
    // A slot that has got a task meanwhile needs none; the service is looked at again by its events.
    const others = tasksInSlot(draft, service, task).filter(isWanted);
    if (isJob(service) ? isTakenOver(service, task, others) : others.length > 0) return;
    // What an earlier run of a job has there is to stop first.
    const waits = isJob(service) && isOccupied(draft, service, task);
    draft.create('task', waits ? { ...task, desiredState: TaskState.READY, startAfter: now } : task);
  }

  #endRun(draft: WriteView, { id, specVersion }: Service, iteration: number): void {
    const service = draft.get('service', id);
    if (!service?.jobStatus || service.specVersion !== specVersion) return;
    const jobStatus = withoutRun(service.jobStatus, iteration, draft.tasksOfService(id), this.#options.clock.now());
    draft.update('service', { ...service, jobStatus });
  }

  #stop(draft: WriteView, id: string, cause?: Cause): void {
    const task = draft.get('task', id);
    if (task && isWanted(task))
      draft.update('task', withDesiredState(task, TaskState.SHUTDOWN, this.#options.clock.now(), cause));
  }

  #removal({ id }: Task, cause: Cause | undefined): Change {
    return (draft) => {
      const task = draft.get('task', id);
      if (!task || task.desiredState >= TaskState.REMOVE) return;
      draft.update('task', withDesiredState(task, TaskState.REMOVE, this.#options.clock.now(), cause));
    };
  }
}

/** An heir that has ended before it could take over: the other one stays where it is. */
function giveUpMove(draft: WriteView, { replaces }: Task): void {
  const before = replaces === '' ? undefined : draft.get('task', replaces);
  if (before && isWanted(before) && before.moveTo !== '') draft.update('task', { ...before, moveTo: '' });
}

/** Whether one of those wanted in the slot of a task is in its place already; of a job also whether its run is over. */
function isTakenOver(service: Service, task: Task, others: readonly Task[]): boolean {
  if (!isJob(service)) return others.some((other) => isDirty(service, task) || !isDirty(service, other));
  const run = runOf(service, task);
  return run === undefined || others.some((other) => other.jobIteration?.iteration === run.iteration);
}

/** Whether something that is to stop still runs in the slot of a task. */
function isOccupied(view: ReadView, service: Service, task: Task): boolean {
  return tasksInSlot(view, service, task).some(
    (other) => other.id !== task.id && !isWanted(other) && !isStopped(other) && !isLost(view.get('node', other.nodeId)),
  );
}

/** What the allocator writes of a service is nothing to the orchestrator. */
function concerns(service: Service, old: Service): boolean {
  return (
    service.specVersion !== old.specVersion ||
    // By the autoscaler, which leaves the version as it is.
    service.spec.replicated?.replicas !== old.spec.replicated?.replicas ||
    service.pendingDelete !== old.pendingDelete ||
    service.jobStatus?.iteration !== old.jobStatus?.iteration ||
    // A paused update that is to go on.
    (old.updateStatus !== undefined && service.updateStatus === undefined)
  );
}

function* take(ids: Set<string>): Iterable<string> {
  for (const id of ids) {
    ids.delete(id);
    yield id;
  }
}
