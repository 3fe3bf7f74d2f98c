import { newId } from '../../lib/ids.js';
import {
  FailureAction,
  type Service,
  type Task,
  TaskState,
  UpdateOrder,
  UpdateState,
  type UpdateStatus,
} from '../../proto/gen/index.js';
import type { LoopOptions } from '../common/loop.js';
import { atPresentScale } from '../common/scale.js';
import {
  byAge,
  isDirty,
  isGlobal,
  isLost,
  isStopped,
  isWanted,
  newTask,
  runState,
  withDesiredState,
} from '../common/tasks.js';
import type { WriteView } from '../store/store.js';
import { supersededOf } from './plan.js';
import { RollingUpdate } from './rolling-update.js';
import { tasksInSlot } from './slots.js';

/** One atomic step of a loop. */
export type Change = (draft: WriteView) => void;

export interface UpdaterOptions extends LoopOptions {
  /** Makes the loop act. */
  readonly wake: () => void;
}

const GOING: ReadonlySet<UpdateState> = new Set([UpdateState.UPDATING, UpdateState.ROLLBACK_STARTED]);
const PAUSED: ReadonlySet<UpdateState> = new Set([UpdateState.PAUSED, UpdateState.ROLLBACK_PAUSED]);

/**
 * Carries out updates: replaces the dirty slots of a service some at a time, watches the new tasks,
 * and completes, pauses or rolls back. An update is known by the version of the spec that it brings
 * about; a newer one takes its place. After a change of leader it goes on with the slots that are
 * still dirty, and a paused one stays paused.
 */
export class Updater {
  readonly #options: UpdaterOptions;
  readonly #updates = new Map<string, RollingUpdate>();
  /** Services whose spec has changed while this manager leads: a pause of before does not hold for it. */
  readonly #changed = new Set<string>();
  readonly #due = new Set<string>();
  readonly #timers = new Map<string, () => void>();
  #begun: Change[] = [];

  constructor(options: UpdaterOptions) {
    this.#options = options;
  }

  clear(): void {
    for (const id of [...this.#updates.keys()]) this.forget(id);
    this.#changed.clear();
    this.#begun = [];
  }

  forget(serviceId: string): void {
    this.#updates.delete(serviceId);
    this.#changed.delete(serviceId);
    this.#due.delete(serviceId);
    this.#timers.get(serviceId)?.();
    this.#timers.delete(serviceId);
  }

  specChanged(serviceId: string): void {
    this.forget(serviceId);
    this.#changed.add(serviceId);
  }

  /** Begins an update when slots are dirty, or one was begun, and it is not paused or already going on. */
  plan(service: Service, dirty: readonly string[]): void {
    if (this.#updates.get(service.id)?.specVersion === service.specVersion) return;
    const state = service.updateStatus?.state;
    // One that began under another leader, or a rollback that has nothing to replace, is to be watched to its end.
    if (dirty.length === 0 && (state === undefined || !GOING.has(state))) return;
    if (state !== undefined && PAUSED.has(state) && !this.#changed.has(service.id)) return;
    const { clock } = this.#options;
    const isRollback = state === UpdateState.ROLLBACK_STARTED;
    const config = isRollback ? service.spec.rollback : service.spec.update;
    this.forget(service.id);
    this.#updates.set(service.id, new RollingUpdate(config, service.specVersion, dirty, clock.monotonic()));
    this.#due.add(service.id);
    if (isRollback) return;
    const status = {
      state: UpdateState.UPDATING,
      startedAt: clock.now(),
      completedAt: 0,
      message: 'update in progress',
    };
    this.#begun.push(this.#status(service, status));
  }

  observe(task: Task): void {
    if (this.#updates.get(task.serviceId)?.observe(task, this.#options.clock.monotonic()))
      this.#due.add(task.serviceId);
  }

  /** What is to be done now. */
  step(): Change[] {
    const changes = this.#begun;
    this.#begun = [];
    for (const id of [...this.#due]) {
      this.#due.delete(id);
      const update = this.#updates.get(id);
      const service = this.#options.store.view().get('service', id);
      if (!update || !service || service.specVersion !== update.specVersion) continue;
      changes.push(...this.#stepOf(service, update));
    }
    return changes;
  }

  #stepOf(service: Service, update: RollingUpdate): Change[] {
    const now = this.#options.clock.monotonic();
    const verdict = update.verdict(now);
    if (verdict === 'completed') return [this.#complete(service)];
    if (verdict === 'failed') return [this.#fail(service, update)];
    const changes: Change[] = [];
    for (const slot of update.take(now)) changes.push((draft) => this.#replace(draft, service.id, slot, update));
    this.#timers.get(service.id)?.();
    const at = update.nextAt(now);
    if (at !== undefined)
      this.#timers.set(
        service.id,
        this.#options.clock.after(at - now, () => this.#lookAgain(service.id)),
      );
    return changes;
  }

  #lookAgain(serviceId: string): void {
    this.#due.add(serviceId);
    this.#options.wake();
  }

  /** Replaces what is old in one slot. */
  #replace(draft: WriteView, serviceId: string, slot: string, update: RollingUpdate): void {
    const service = draft.get('service', serviceId);
    if (!service || service.specVersion !== update.specVersion) return;
    const now = this.#options.clock.now();
    const place = isGlobal(service) ? { slot: 0, nodeId: slot } : { slot: Number(slot), nodeId: '' };
    const tasks = [...tasksInSlot(draft, service, place)].sort(byAge);
    const wanted = tasks.filter(isWanted);
    const clean = wanted.find((task) => !isDirty(service, task));
    const old = wanted.filter((task) => isDirty(service, task));
    if (tasks.every((task) => task.desiredState >= TaskState.REMOVE)) {
      update.skipped(slot);
      this.#lookAgain(serviceId);
      return;
    }
    const startFirst = update.order === UpdateOrder.START_FIRST;
    if (clean) {
      update.started(slot, clean.id);
      update.observe(clean, this.#options.clock.monotonic());
      this.#lookAgain(serviceId);
      if (!startFirst || clean.status.state === TaskState.RUNNING) this.#shutDown(draft, old, service);
      return;
    }
    this.#shutDown(draft, startFirst ? supersededOf(service, old) : old, service);
    const wait = tasksInSlot(draft, service, place).some(
      (task) => !isStopped(task) && !isLost(draft.get('node', task.nodeId)) && !(startFirst && isWanted(task)),
    );
    const id = (this.#options.newId ?? newId)();
    const desiredState = wait ? TaskState.READY : runState(service);
    draft.create('task', newTask(service, { id, ...place, desiredState, now }));
    update.started(slot, id);
  }

  #shutDown(draft: WriteView, tasks: readonly Task[], service: Service): void {
    const now = this.#options.clock.now();
    for (const task of tasks) draft.update('task', withDesiredState(task, TaskState.SHUTDOWN, now, service));
  }

  #complete(service: Service): Change {
    this.forget(service.id);
    const isRollback = service.updateStatus?.state === UpdateState.ROLLBACK_STARTED;
    return this.#status(service, {
      state: isRollback ? UpdateState.ROLLBACK_COMPLETED : UpdateState.COMPLETED,
      startedAt: service.updateStatus?.startedAt ?? 0,
      completedAt: this.#options.clock.now(),
      message: isRollback ? 'rollback completed' : 'update completed',
    });
  }

  /** Pauses or rolls back. A rollback that fails is paused: it is never rolled back itself. */
  #fail(service: Service, update: RollingUpdate): Change {
    this.forget(service.id);
    const isRollback = service.updateStatus?.state === UpdateState.ROLLBACK_STARTED;
    const cause = `due to failure or early termination of ${this.#inWords(update.failedTask)}`;
    const startedAt = service.updateStatus?.startedAt ?? 0;
    const previous = service.previousSpec;
    if (update.failureAction !== FailureAction.ROLLBACK || isRollback || !previous) {
      const state = isRollback ? UpdateState.ROLLBACK_PAUSED : UpdateState.PAUSED;
      const subject = isRollback ? 'rollback' : 'update';
      return this.#status(service, { state, startedAt, completedAt: 0, message: `${subject} paused ${cause}` });
    }
    return (draft) => {
      const current = draft.get('service', service.id);
      if (current?.specVersion !== service.specVersion) return;
      const state = UpdateState.ROLLBACK_STARTED;
      draft.update('service', {
        ...current,
        spec: atPresentScale(previous, current.spec),
        autoscaleStatus: previous.autoscale && current.autoscaleStatus,
        specVersion: current.previousSpecVersion,
        previousSpec: undefined,
        previousSpecVersion: 0,
        dependenciesMet: current.previousDependenciesMet,
        previousDependenciesMet: false,
        updateStatus: {
          state,
          startedAt: this.#options.clock.now(),
          completedAt: 0,
          message: `update rolled back ${cause}`,
        },
      });
    };
  }

  /** A task that has failed, with the reason. */
  #inWords(taskId: string): string {
    const error = this.#options.store.view().get('task', taskId)?.status.error ?? '';
    return error === '' ? `task ${taskId}` : `task ${taskId}: ${error}`;
  }

  #status(service: Service, updateStatus: UpdateStatus): Change {
    return (draft) => {
      const current = draft.get('service', service.id);
      if (current?.specVersion === service.specVersion) draft.update('service', { ...current, updateStatus });
    };
  }
}
