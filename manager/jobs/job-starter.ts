import type { Service } from '../../proto/gen/index.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { wakeAt } from '../common/wake-at.js';
import { type Commit, isEvent, type Kind, type ReadView, type WriteView } from '../store/store.js';
import { whenDue } from './due.js';

/**
 * Begins the runs of jobs with a schedule. The time of the next run is part of the service, and what
 * comes of it is written together with the time after it: who leads afterwards finds either both or
 * neither, so that no run comes twice and none is forgotten.
 */
export class JobStarter implements Reaction {
  readonly kinds: readonly Kind[] = ['service'];
  readonly #options: LoopOptions;
  readonly #loop: ControlLoop;
  /** When each scheduled job runs next, by the service's id; milliseconds since the epoch. */
  readonly #times = new Map<string, number>();
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
    this.#times.clear();
    for (const service of view.list('service')) this.#seen(service);
  }

  observe(commit: Commit): void {
    for (const event of commit.events) {
      if (!isEvent(event, 'service')) continue;
      if (event.action === 'remove') this.#times.delete(event.object.id);
      else this.#seen(event.object);
    }
  }

  async act(): Promise<void> {
    const now = this.#options.clock.now();
    const due = [...this.#times].filter(([, at]) => at <= now).map(([id]) => id);
    const { failed } = await this.#options.store.batch(due, (draft, id) => this.#runDue(draft, id));
    for (const error of failed.values()) throw error;
    this.#arm();
  }

  #seen({ id, jobStatus, pendingDelete }: Service): void {
    const at = jobStatus?.nextExecution ?? 0;
    if (at === 0 || pendingDelete) this.#times.delete(id);
    else this.#times.set(id, at);
  }

  #runDue(draft: WriteView, id: string): void {
    const service = draft.get('service', id);
    if (!service || service.pendingDelete) return;
    const jobStatus = whenDue(service, draft.tasksOfService(id), this.#options.clock.now());
    const current = jobStatus ? draft.update('service', { ...service, jobStatus }) : service;
    this.#seen(current);
  }

  #arm(): void {
    this.#cancel();
    if (this.#times.size === 0) return;
    const next = Math.min(...this.#times.values());
    this.#cancel = wakeAt(this.#options.clock, next, () => this.#loop.wake());
  }
}
