import { type Service, type Task, TaskState } from '../../proto/gen/index.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { byAge, isAttachment, isJob, isStopped, isWanted } from '../common/tasks.js';
import { isPast } from '../jobs/runs.js';
import { type Commit, isEvent, type Kind, type ReadView, type WriteView } from '../store/store.js';
import { slotName, tasksInSlot } from './slots.js';

/** How long ended tasks are collected before slots are shortened; milliseconds. */
const INTERVAL = 250;
/** Or until so many have come together. */
const MAX_DIRTY = 1_000;

/**
 * Forgets what is over: tasks that are to be removed and no longer run, the oldest tasks of a slot
 * beyond the history that is kept, and services that are to be deleted once they have no task left.
 */
export class TaskReaper implements Reaction {
  readonly kinds: readonly Kind[] = ['task', 'node', 'service', 'cluster'];
  readonly #options: LoopOptions;
  readonly #loop: ControlLoop;
  #gone = new Set<string>();
  #services = new Set<string>();
  /** One ended task of each slot that may have too many. */
  #slots = new Map<string, Task>();
  #collecting = false;
  #shorten = false;
  #cancel: () => void = () => {};

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#loop = new ControlLoop(options);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal, this);
    this.#cancel();
  }

  start(view: ReadView): void {
    this.#gone = new Set();
    this.#slots = new Map();
    this.#services = new Set();
    for (const task of view.list('task')) this.#taskSeen(task);
    for (const service of view.list('service')) this.#serviceSeen(service);
    this.#shorten = true;
  }

  observe(commit: Commit): void {
    for (const event of commit.events) {
      if (isEvent(event, 'task')) {
        if (event.action !== 'remove') this.#taskSeen(event.object);
        else this.#services.add(event.object.serviceId);
      } else if (isEvent(event, 'service')) this.#serviceSeen(event.object, event.old);
      else if (isEvent(event, 'cluster'))
        this.#clusterSeen(event.object.spec.taskHistoryLimit, event.old?.spec.taskHistoryLimit);
      else if (isEvent(event, 'node') && event.action === 'remove') {
        for (const task of this.#options.store.view().tasksOfNode(event.object.id)) this.#gone.add(task.id);
      }
    }
  }

  async act(): Promise<void> {
    const ids = [...this.#gone];
    this.#gone.clear();
    if (this.#shorten || this.#slots.size >= MAX_DIRTY) ids.push(...this.#surplus());
    const { store } = this.#options;
    await store.batch(ids, (draft, id) => this.#removeTask(draft, id));
    const services = [...this.#services];
    this.#services.clear();
    await store.batch(services, (draft, id) => this.#removeService(draft, id));
  }

  #taskSeen(task: Task): void {
    if (isRemovable(task) || ((!isWanted(task) || isAttachment(task)) && this.#isNodeGone(task)))
      this.#gone.add(task.id);
    else if (isStopped(task) && (!isWanted(task) || task.jobIteration !== undefined)) {
      this.#slots.set(slotName(task), task);
      this.#collect();
    }
  }

  #isNodeGone({ nodeId }: Task): boolean {
    return nodeId !== '' && !this.#options.store.view().get('node', nodeId);
  }

  #serviceSeen(service: Service, old?: Service): void {
    if (service.pendingDelete) this.#services.add(service.id);
    // With a run that begins or ends, tasks of another become history.
    const [before, now] = [old?.jobStatus, service.jobStatus];
    if (!before || !now || (before.iteration === now.iteration && before.runs.length === now.runs.length)) return;
    for (const task of this.#options.store.view().tasksOfService(service.id)) this.#taskSeen(task);
  }

  #clusterSeen(limit: number, before: number | undefined): void {
    if (before === undefined || limit >= before) return;
    for (const task of this.#options.store.view().list('task')) this.#taskSeen(task);
  }

  #collect(): void {
    if (this.#collecting) return;
    this.#collecting = true;
    this.#cancel = this.#options.clock.after(INTERVAL, () => {
      this.#collecting = false;
      this.#shorten = true;
      this.#loop.wake();
    });
  }

  /** Ended tasks beyond the limit, which counts the running one of the slot too. */
  #surplus(): readonly string[] {
    this.#shorten = false;
    const view = this.#options.store.view();
    const surplus: string[] = [];
    const [cluster] = view.list('cluster');
    if (!cluster) return surplus;
    const limit = cluster.spec.taskHistoryLimit;
    for (const task of this.#slots.values()) {
      const service = view.get('service', task.serviceId);
      if (!service) continue;
      const tasks = [...tasksInSlot(view, service, task)].sort(byAge);
      const over = tasks.filter((t) => isHistory(service, t, tasks)).slice(0, Math.max(0, tasks.length - limit));
      surplus.push(...over.map((t) => t.id));
    }
    this.#slots.clear();
    return surplus;
  }

  #removeTask(draft: WriteView, id: string): void {
    const task = draft.get('task', id);
    if (!task) return;
    const service = draft.get('service', task.serviceId);
    const isDone = service !== undefined && isJob(service) && isStopped(task) && isPast(service, task);
    if (isWanted(task) && !isAttachment(task) && !isDone) return; // what is wanted the orchestrator replaces first
    const nodeGone = task.nodeId !== '' && !draft.get('node', task.nodeId);
    if (isStopped(task) || nodeGone) draft.remove('task', id);
  }

  #removeService(draft: WriteView, id: string): void {
    const service = draft.get('service', id);
    if (!service?.pendingDelete) return;
    for (const _ of draft.tasksOfService(id)) return;
    draft.remove('service', id);
  }
}

/**
 * It says no more than what was. Of the runs of a job that go on, and of the last one, what completed counts,
 * and the newest task of a slot tells that there is none to come.
 */
function isHistory(service: Service, task: Task, slot: readonly Task[]): boolean {
  if (!isStopped(task)) return false;
  if (!isJob(service)) return !isWanted(task);
  if (isPast(service, task)) return true;
  const ofRun = slot.filter((other) => other.jobIteration?.iteration === task.jobIteration?.iteration);
  return !isWanted(task) && task !== ofRun.at(-1);
}

/** To be forgotten, and nothing of it runs. Nobody replaces an attachment that is over. */
function isRemovable(task: Task): boolean {
  return (task.desiredState >= TaskState.REMOVE || isAttachment(task)) && isStopped(task);
}
