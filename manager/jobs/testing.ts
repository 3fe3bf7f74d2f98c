import { type JobStatus, Schedule, type ServiceSpec, type Task, TaskState } from '../../proto/gen/index.js';
import { Orchestrator } from '../orchestrator/orchestrator.js';
import { TaskReaper } from '../orchestrator/reaper.js';
import { orchestratedBy } from '../testing/orchestrated.js';
import { JobStarter } from './job-starter.js';
import { statusOfChanged } from './runs.js';

export const MINUTE = 60_000;

/** A swarm of jobs; the test plays scheduler and agents. Its clock begins at 00:16:40. */
export async function jobSwarm(...names: readonly string[]) {
  const swarm = await orchestratedBy([JobStarter, Orchestrator, TaskReaper], ...names);
  const { store, clock, settle, tasks, report, runAll } = swarm;
  const addJob = (cron: string, fields: Partial<Schedule> = {}, spec: Partial<ServiceSpec> = {}) => {
    const replicatedJob = { maxConcurrent: 1, totalCompletions: 1 };
    const schedule = cron === '' ? undefined : Schedule.create({ cron, ...fields });
    return swarm.add('job', 0, { replicated: undefined, replicatedJob, schedule, ...spec });
  };
  const status = (id: string): JobStatus => {
    const found = store.view().get('service', id)?.jobStatus;
    if (!found) throw new RangeError(`no job ${id}`);
    return found;
  };
  const pass = async (ms: number) => {
    await clock.advance(ms);
    await settle();
  };
  const until = (time: string) => pass(Date.parse(`1970-01-01T${time}Z`) - clock.now());
  /** Changes the spec as the control API does. */
  const change = async (id: string, fields: Partial<ServiceSpec>, force = false) => {
    await store.update((draft) => {
      const service = draft.get('service', id);
      if (!service?.jobStatus) throw new RangeError(`no job ${id}`);
      const { task } = service.spec;
      const forced = { ...task, forceUpdate: task.forceUpdate + (force ? 1 : 0) };
      const spec = { ...service.spec, task: forced, ...fields };
      const jobStatus = statusOfChanged(service, service.jobStatus, spec, draft.tasksOfService(id), clock.now());
      draft.update('service', { ...service, spec, specVersion: draft.version + 1, jobStatus });
    });
    await settle();
  };
  const ofRun = (id: string, iteration: number): Task[] =>
    tasks(id).filter((task) => task.jobIteration?.iteration === iteration);
  /** All tasks of a run that are on their way end in this state. */
  const end = async (id: string, iteration: number, state: TaskState = TaskState.COMPLETE) => {
    await runAll(id);
    for (const task of ofRun(id, iteration))
      if (task.status.state === TaskState.RUNNING && task.desiredState <= TaskState.COMPLETE) await report(task, state);
  };
  return { ...swarm, addJob, status, pass, until, change, ofRun, end };
}
