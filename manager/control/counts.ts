import { type Service, type ServiceCounts, type Task, TaskState } from '../../proto/gen/index.js';

/** What `service ls` shows as replicas. Of a job only the tasks of its newest iteration count. */
export function countTasks(service: Service, tasks: Iterable<Task>): ServiceCounts {
  const { spec, jobStatus } = service;
  let running = 0;
  let completed = 0;
  let wanted = 0;
  for (const task of tasks) {
    if (jobStatus && task.jobIteration?.iteration !== jobStatus.iteration) continue;
    if (task.status.state === TaskState.COMPLETE) completed++;
    if (task.desiredState > TaskState.COMPLETE) continue;
    if (task.status.state === TaskState.RUNNING) running++;
    // A global service wants as many tasks as the orchestrator has found nodes for.
    if (task.status.state <= TaskState.RUNNING) wanted++;
  }
  const job = spec.replicatedJob;
  if (job) return { running, completed, desired: Math.max(0, job.maxConcurrent || job.totalCompletions) };
  return { running, completed, desired: spec.replicated ? spec.replicated.replicas : wanted };
}
