import { type Service, type Task, TaskState } from '../../proto/gen/index.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { isWanted, waitsForOthers } from '../common/tasks.js';
import { type Commit, isEvent, type Kind, type ReadView, type WriteView } from '../store/store.js';
import { waitsFor } from './condition.js';

type Change = (draft: WriteView) => void;

/**
 * Watches what services wait for. While that is not so, their tasks say it, and the scheduler gives them no
 * nodes. When it has been so once, the service says that, and waits no more until its tasks are made from
 * another spec: restarts and further replicas start at once, whatever has become of the others.
 */
export class Dependencies implements Reaction {
  readonly kinds: readonly Kind[] = ['service', 'task'];
  readonly #options: LoopOptions;
  readonly #loop: ControlLoop;
  /** Services that wait; and those of them to look at. */
  #waiting = new Set<string>();
  #due = new Set<string>();
  /** By name of a service, those that wait for it. */
  #dependents = new Map<string, Set<string>>();

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#loop = new ControlLoop(options);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal, this);
  }

  start(view: ReadView): void {
    this.#waiting = new Set();
    this.#due = new Set();
    this.#dependents = new Map();
    for (const service of view.list('service')) this.#serviceSeen(service);
  }

  observe(commit: Commit): void {
    for (const event of commit.events) {
      if (isEvent(event, 'service')) {
        if (event.action === 'remove') this.#waiting.delete(event.object.id);
        else this.#serviceSeen(event.object);
        this.#changed(event.object.spec.name);
      } else if (isEvent(event, 'task')) {
        const { serviceId, serviceName } = event.object;
        this.#changed(serviceName);
        if (this.#waiting.has(serviceId)) this.#due.add(serviceId);
      }
    }
  }

  async act(): Promise<void> {
    const view = this.#options.store.view();
    const changes: Change[] = [];
    for (const id of this.#due) changes.push(...this.#lookAt(view, id));
    this.#due.clear();
    const { failed } = await this.#options.store.batch(changes, (draft, change) => change(draft));
    for (const error of failed.values()) throw error;
  }

  #serviceSeen(service: Service): void {
    if (!waitsForOthers(service)) {
      this.#waiting.delete(service.id);
      return;
    }
    this.#waiting.add(service.id);
    this.#due.add(service.id);
    for (const { service: name } of service.spec.dependsOn) {
      const dependents = this.#dependents.get(name);
      if (dependents) dependents.add(service.id);
      else this.#dependents.set(name, new Set([service.id]));
    }
  }

  /** What depends on the service may have to wait no more, or for another reason. */
  #changed(name: string): void {
    const dependents = this.#dependents.get(name);
    for (const id of dependents ?? []) {
      if (this.#waiting.has(id)) this.#due.add(id);
      else dependents?.delete(id);
    }
    if (dependents?.size === 0) this.#dependents.delete(name);
  }

  #lookAt(view: ReadView, id: string): Change[] {
    const service = view.get('service', id);
    if (!service || !waitsForOthers(service)) return [];
    const words = waitsFor(view, service);
    if (words === undefined) return [(draft) => letGo(draft, id)];
    return [...view.tasksOfService(id)]
      .filter((task) => isHeld(task) && task.status.message !== words)
      .map((task) => (draft: WriteView) => this.#tell(draft, task.id, words));
  }

  #tell(draft: WriteView, taskId: string, message: string): void {
    const task = draft.get('task', taskId);
    if (!task || !isHeld(task)) return;
    const status = { ...task.status, timestamp: this.#options.clock.now(), message, error: '' };
    draft.update('task', { ...task, status });
  }
}

function letGo(draft: WriteView, id: string): void {
  const service = draft.get('service', id);
  if (!service || !waitsForOthers(service) || waitsFor(draft, service) !== undefined) return;
  draft.update('service', { ...service, dependenciesMet: true });
}

function isHeld(task: Task): boolean {
  return isWanted(task) && task.status.state === TaskState.PENDING;
}
