import { describe, expect, it } from 'vitest';
import { WatchEvent, WatchEventAction, WatchMessage } from '../../proto/gen/control.js';
import {
  JobOutcome,
  JobRun,
  JobStatus,
  Meta,
  Service,
  Task,
  TaskState,
  TaskStatus,
  UpdateState,
  type UpdateStatus,
} from '../../proto/gen/objects.js';
import { ContainerSpec, NetworkAttachmentConfig, Schedule, ServiceSpec, TaskSpec } from '../../proto/gen/specs.js';
import { activeLine, barLines, failureLines, overallLine, plainLines } from './bars.js';
import { progressPrinter } from './printer.js';
import { ServiceProgress } from './progress.js';

const spec = (image: string, more: Partial<ServiceSpec> = {}): ServiceSpec =>
  ServiceSpec.create({
    name: 'web',
    task: TaskSpec.create({ container: ContainerSpec.create({ image }) }),
    replicated: { replicas: 2 },
    ...more,
  });
const service = (version: number, asked: ServiceSpec, updateStatus?: UpdateStatus): Service =>
  Service.create({ id: 's', spec: asked, specVersion: version, updateStatus });
const task = (id: string, slot: number, state: TaskState, more: Partial<Task> = {}): Task =>
  Task.create({
    id,
    slot,
    serviceId: 's',
    specVersion: 1,
    spec: spec('web:1').task,
    desiredState: TaskState.RUNNING,
    status: TaskStatus.create({ state }),
    ...more,
  });
const put = (progress: ServiceProgress, ...objects: (Service | Task)[]): ServiceProgress => {
  for (const object of objects)
    progress.apply(
      WatchEvent.create({
        action: WatchEventAction.UPDATED,
        ...('slot' in object ? { task: object } : { service: object }),
      }),
    );
  return progress;
};
const status = (state: UpdateState, message = ''): UpdateStatus => ({ state, startedAt: 1, completedAt: 0, message });

describe('ServiceProgress - replicated', () => {
  it('waits until as many tasks run as are asked for', () => {
    const progress = put(new ServiceProgress(undefined), service(1, spec('web:1')));
    expect(progress.view()).toMatchObject({ done: 0, total: 2, verdict: { kind: 'waiting' } });
    put(progress, task('a', 1, TaskState.RUNNING), task('b', 2, TaskState.PREPARING));
    expect(progress.view()).toMatchObject({ done: 1, verdict: { kind: 'waiting' } });
    put(progress, task('b', 2, TaskState.RUNNING));
    expect(progress.view()).toMatchObject({ done: 2, verdict: { kind: 'converged', final: false } });
  });

  it('does not count tasks of an older spec', () => {
    const running = [task('a', 1, TaskState.RUNNING), task('b', 2, TaskState.RUNNING)];
    const progress = put(new ServiceProgress(undefined), service(2, spec('web:2')), ...running);
    expect(progress.view()).toMatchObject({ done: 0, verdict: { kind: 'waiting' } });
  });

  it('waits for what the managers cannot give yet, with their words', () => {
    const lacking = { ...service(1, spec('web:1')), problems: ['address 10.0.9.10 is taken'] };
    const running = [task('a', 1, TaskState.RUNNING), task('b', 2, TaskState.RUNNING)];
    const progress = put(new ServiceProgress(undefined), lacking, ...running);
    const notice = 'waiting: address 10.0.9.10 is taken';
    expect(progress.view()).toMatchObject({ done: 2, notice, verdict: { kind: 'waiting' } });
    put(progress, service(1, spec('web:1')));
    expect(progress.view()).toMatchObject({ notice: undefined, verdict: { kind: 'converged' } });
  });

  it('counts tasks that a change of the virtual address leaves as they are', () => {
    const at = (virtualIp: string): ServiceSpec => {
      const { task: asked } = spec('web:1');
      return spec('web:1', {
        task: { ...asked, networks: [NetworkAttachmentConfig.create({ target: 'net', virtualIp })] },
      });
    };
    const before = { spec: at('10.0.9.10').task };
    const progress = put(new ServiceProgress(undefined), service(2, at('10.0.9.20')));
    put(progress, task('a', 1, TaskState.RUNNING, before), task('b', 2, TaskState.RUNNING, before));
    expect(progress.view()).toMatchObject({ done: 2, verdict: { kind: 'converged' } });
  });

  it('counts tasks that a change of scale alone leaves as they are', () => {
    const asked = spec('web:1', { replicated: { replicas: 1 } });
    const progress = put(new ServiceProgress(undefined), service(2, asked));
    put(progress, task('a', 1, TaskState.RUNNING), task('b', 2, TaskState.RUNNING));
    expect(progress.view()).toMatchObject({ done: 2, total: 1, verdict: { kind: 'waiting' } });
    put(progress, task('a', 1, TaskState.RUNNING, { desiredState: TaskState.REMOVE }));
    expect(progress.view()).toMatchObject({ done: 1, verdict: { kind: 'converged' } });
    expect(progress.view().slots).toEqual([{ label: '1/1', state: TaskState.RUNNING, reason: '', failure: undefined }]);
  });

  it('scaled to nothing it is done when nothing runs', () => {
    const progress = put(new ServiceProgress(undefined), service(1, spec('web:1', { replicated: { replicas: 0 } })));
    expect(progress.view().verdict.kind).toBe('converged');
  });

  it('says what a task waits for and why the one before it failed', () => {
    const progress = put(new ServiceProgress(undefined), service(1, spec('web:1')));
    const pending = TaskStatus.create({ state: TaskState.PENDING, message: 'no suitable node' });
    const failed = TaskStatus.create({ state: TaskState.FAILED, error: 'task: non-zero exit (1)' });
    put(
      progress,
      task('a', 1, TaskState.PENDING, { status: pending }),
      task('b', 2, TaskState.FAILED, { status: failed, desiredState: TaskState.SHUTDOWN }),
      task('c', 2, TaskState.READY, { meta: Meta.create({ createdAt: 5 }) }),
    );
    const view = progress.view();
    expect(barLines(view)).toEqual(['1/2: no suitable node', '2/2: task: non-zero exit (1)']);
    expect(plainLines(view)).toEqual(['1/2: pending: no suitable node', '2/2: ready']);
    expect(failureLines(view)).toEqual(['2/2: failed: task: non-zero exit (1)']);
  });

  it('says once, with the state that it failed in, why tasks fail', () => {
    const rejected = TaskStatus.create({ state: TaskState.REJECTED, error: 'No such image: web:1' });
    const progress = put(new ServiceProgress(undefined), service(1, spec('web:1')));
    put(progress, task('a', 1, TaskState.REJECTED, { status: rejected }));
    const printed: string[] = [];
    const printer = progressPrinter({ columns: undefined, out: (text: string) => printed.push(text) }, false);
    printer.show(progress.view());
    const again = { meta: Meta.create({ createdAt: 5 }) };
    for (const state of [TaskState.ASSIGNED, TaskState.PREPARING]) {
      printer.show(put(progress, task('b', 1, state, again)).view());
    }
    printer.show(put(progress, task('b', 1, TaskState.REJECTED, { ...again, status: rejected })).view());
    expect(printed).toEqual([
      'overall progress: 0 out of 2 tasks\n',
      '1/2: rejected: No such image: web:1\n',
      '1/2: assigned\n',
      '1/2: preparing\n',
    ]);
  });

  it('forgets removed tasks and fails when the service is removed', () => {
    const progress = put(new ServiceProgress(undefined), service(1, spec('web:1')), task('a', 1, TaskState.RUNNING));
    progress.apply(WatchEvent.create({ action: WatchEventAction.REMOVED, task: task('a', 1, TaskState.RUNNING) }));
    expect(progress.view().done).toBe(0);
    progress.apply(WatchEvent.create({ action: WatchEventAction.REMOVED, service: service(1, spec('web:1')) }));
    expect(progress.view().verdict).toEqual({ kind: 'failed', message: 'the service was removed' });
  });
});

describe('ServiceProgress - told anew', () => {
  const message = (synced: boolean, ...objects: (Service | Task)[]): WatchMessage =>
    WatchMessage.create({
      synced,
      events: objects.map((object) => WatchEvent.create('slot' in object ? { task: object } : { service: object })),
    });

  it('knows nothing of what is gone', () => {
    const progress = new ServiceProgress(undefined);
    progress.tell(message(false, service(1, spec('web:1'))));
    expect(progress.isComplete).toBe(false);
    progress.tell(message(true, task('a', 1, TaskState.RUNNING), task('b', 2, TaskState.RUNNING)));
    expect(progress.isComplete).toBe(true);
    expect(progress.view().done).toBe(2);
    progress.restart();
    expect(progress.isComplete).toBe(false);
    progress.tell(message(true, service(1, spec('web:1')), task('b', 2, TaskState.RUNNING)));
    expect(progress.view()).toMatchObject({ done: 1, verdict: { kind: 'waiting' } });
  });

  it('fails when the service is not there any more', () => {
    const progress = new ServiceProgress(undefined);
    progress.tell(message(true, service(1, spec('web:1'))));
    progress.restart();
    progress.tell(message(true));
    expect(progress.view().verdict).toEqual({ kind: 'failed', message: 'the service was removed' });
  });
});

describe('ServiceProgress - updates', () => {
  const running = [task('a', 1, TaskState.RUNNING), task('b', 2, TaskState.RUNNING)];
  const verdictOf = (state: UpdateState, before?: UpdateStatus, wantsRollback = false) =>
    put(
      new ServiceProgress(before, wantsRollback),
      service(1, spec('web:1'), status(state, 'task x failed')),
      ...running,
    ).view();

  it('fails when the update pauses or has been rolled back', () => {
    expect(verdictOf(UpdateState.PAUSED).verdict).toEqual({
      kind: 'failed',
      message: 'service update paused: task x failed',
    });
    expect(verdictOf(UpdateState.ROLLBACK_COMPLETED).verdict).toEqual({
      kind: 'failed',
      message: 'service rolled back: task x failed',
    });
    expect(verdictOf(UpdateState.ROLLBACK_STARTED)).toMatchObject({
      notice: 'rollback: task x failed',
      verdict: { kind: 'waiting' },
    });
  });

  it('a rollback that was asked for is what is waited for', () => {
    expect(verdictOf(UpdateState.ROLLBACK_STARTED, undefined, true).verdict.kind).toBe('converged');
    expect(verdictOf(UpdateState.ROLLBACK_COMPLETED, undefined, true).verdict.kind).toBe('converged');
  });

  it('the status of an update before this one says nothing', () => {
    expect(verdictOf(UpdateState.PAUSED, status(UpdateState.PAUSED, 'task x failed')).verdict.kind).toBe('converged');
  });
});

describe('ServiceProgress - global services and jobs', () => {
  it('waits for one task on each node', () => {
    const asked = spec('web:1', { replicated: undefined, global: {} });
    const progress = put(new ServiceProgress(undefined), service(1, asked));
    expect(progress.view()).toMatchObject({ total: undefined, verdict: { kind: 'waiting' } });
    put(progress, task('a', 0, TaskState.RUNNING, { nodeId: 'n1' }), task('b', 0, TaskState.NEW, { nodeId: 'n2' }));
    expect(progress.view()).toMatchObject({ done: 1, total: 2, verdict: { kind: 'waiting' } });
    put(progress, task('b', 0, TaskState.RUNNING, { nodeId: 'n2' }));
    expect(progress.view().verdict.kind).toBe('converged');
    expect(progress.view().slots.map((slot) => slot.label)).toEqual(['n1', 'n2']);
  });

  const asked = spec('web:1', { replicated: undefined, replicatedJob: { maxConcurrent: 1, totalCompletions: 2 } });
  const ofRun = (iteration: number) => ({ jobIteration: { iteration }, desiredState: TaskState.COMPLETE });
  const job = (status: Partial<JobStatus>, more: Partial<ServiceSpec> = {}): Service => ({
    ...service(1, { ...asked, ...more }),
    jobStatus: JobStatus.create(status),
  });
  const run = JobRun.create({ iteration: 1, maxConcurrent: 1, totalCompletions: 2 });
  const done = { kind: 'converged', final: true, words: 'job complete' };

  it('a job is done when the tasks of its run have completed, for good', () => {
    const progress = put(new ServiceProgress(undefined), job({ iteration: 1, runs: [run] }));
    put(progress, task('z', 1, TaskState.COMPLETE, ofRun(0)), task('a', 1, TaskState.COMPLETE, ofRun(1)));
    put(progress, task('b', 2, TaskState.PREPARING, ofRun(1)));
    const view = progress.view();
    expect(view).toMatchObject({ done: 1, total: 2, isJob: true, verdict: { kind: 'waiting' } });
    expect([overallLine(view), activeLine(view)]).toEqual([
      'job progress: 1 out of 2 complete',
      'active tasks: 1 out of 1 tasks',
    ]);
    put(progress, task('b', 2, TaskState.COMPLETE, ofRun(1)));
    expect(progress.view().verdict).toEqual(done);
  });

  it('a job that ended without all of its tasks has failed', () => {
    const lastOutcome = JobOutcome.create({ iteration: 1, completed: 1, total: 2, message: 'task: non-zero exit (3)' });
    const progress = put(new ServiceProgress(undefined), job({ iteration: 1, lastOutcome }));
    expect(progress.view().verdict).toEqual({
      kind: 'failed',
      message: 'job failed: 1 of 2 tasks completed: task: non-zero exit (3)',
    });
    const all = JobOutcome.create({ iteration: 1, completed: 2, total: 2 });
    expect(put(new ServiceProgress(undefined), job({ iteration: 1, lastOutcome: all })).view().verdict).toEqual(done);
  });

  it('a job that was not asked to run is not waited for, whatever became of it before', () => {
    const schedule = Schedule.create({ cron: '0 2 * * *', timeZone: 'Europe/Berlin' });
    const nextExecution = Date.parse('2026-07-01T00:00:00Z');
    const lastOutcome = JobOutcome.create({ iteration: 3, total: 2, message: 'broken' });
    const scheduled = job({ iteration: 3, lastOutcome, nextExecution }, { schedule });
    const view = put(new ServiceProgress(undefined, false, 3), scheduled).view();
    expect(view).toMatchObject({
      notice: 'next run: 2026-07-01 02:00:00 GMT+2 (Europe/Berlin)',
      verdict: { kind: 'converged', final: true, words: 'job scheduled' },
    });
    expect(overallLine(view)).toBe('job progress: not running');
    expect(put(new ServiceProgress(undefined, false, 2), scheduled).view().verdict.kind).toBe('failed');
  });
});

describe('lines', () => {
  const view = put(
    new ServiceProgress(undefined),
    service(1, spec('web:1', { replicated: { replicas: 3 } })),
    task('a', 1, TaskState.RUNNING),
    task('b', 2, TaskState.PREPARING),
  ).view();

  it('bars grow with the state', () => {
    expect(overallLine(view)).toBe('overall progress: 1 out of 3 tasks');
    expect(barLines(view)).toEqual([
      `1/3: running   [${'='.repeat(50)}]`,
      `2/3: preparing [${'='.repeat(31)}>${' '.repeat(18)}]`,
      '3/3: ',
    ]);
    expect(plainLines(view)).toEqual(['1/3: running', '2/3: preparing']);
  });

  it('more than twenty tasks have no bars', () => {
    const many = put(new ServiceProgress(undefined), service(1, spec('w', { replicated: { replicas: 21 } }))).view();
    expect(barLines(many)).toEqual([]);
  });

  it('without a terminal only changes are printed', () => {
    const printed: string[] = [];
    const printer = progressPrinter({ columns: undefined, out: (text: string) => printed.push(text) }, false);
    printer.show(view);
    printer.show(view);
    printer.show({ ...view, done: 2 });
    expect(printed).toEqual([
      'overall progress: 1 out of 3 tasks\n',
      '1/3: running\n',
      '2/3: preparing\n',
      'overall progress: 2 out of 3 tasks\n',
    ]);
  });

  it('on a terminal lines are drawn in place and never wrap', () => {
    const printed: string[] = [];
    const printer = progressPrinter({ columns: 20, out: (text: string) => printed.push(text) }, false);
    printer.show(view);
    printer.say('verify: done');
    expect(printed[0]).toBe(
      '\x1b[2Koverall progress: 1\n\x1b[2K1/3: running   [===\n\x1b[2K2/3: preparing [===\n\x1b[2K3/3: \n\x1b[J',
    );
    expect(printed[1]?.startsWith('\x1b[4A')).toBe(true);
  });
});
