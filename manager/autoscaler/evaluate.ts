import {
  type Autoscale,
  AutoscaleStatus,
  type Service,
  type Task,
  TaskState,
  UpdateState,
} from '../../proto/gen/index.js';
import { isDirty, isWanted } from '../common/tasks.js';
import type { Usage } from '../usage/usage-reports.js';
import { limitStep, recommend } from './recommend.js';
import { type Recommendation, recent, stabilise } from './stabilise.js';
import { cpuPercentOf, targetsOf, windowsOf } from './targets.js';

/** What is remembered of a service from one evaluation to the next. */
export interface Memory {
  /** Oldest first. */
  readonly past: readonly Recommendation[];
  /** Tasks that there were to be from then on. */
  readonly replicas: number;
}

export interface Situation {
  readonly service: Service;
  readonly autoscale: Autoscale;
  /** All of the service. */
  readonly tasks: readonly Task[];
  /** Undefined for a task of which nothing, or nothing recent, is known. */
  readonly usageOf: (task: Task) => Usage | undefined;
  /** Undefined for a service that is seen for the first time. */
  readonly memory: Memory | undefined;
  /** By the clock's `monotonic`, as in the memory. */
  readonly now: number;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface Outcome {
  readonly memory: Memory;
  /** Tasks that there shall be. */
  readonly replicas: number;
  readonly status: AutoscaleStatus;
}

/** Decides how many tasks a service shall have. Pure. */
export function evaluate(situation: Situation): Outcome {
  const { service, autoscale, memory, now, time } = situation;
  const current = service.spec.replicated?.replicas ?? 0;
  const windows = windowsOf(autoscale);
  const load = measure(situation);
  const held = reasonToHold(situation, load);
  const asked = held === undefined ? load.asked : current;
  const wanted = within(autoscale, limitStep(current, asked));
  // What somebody has set holds for a window, as does what there was when this manager began to look.
  const set = memory?.replicas === current ? [] : [{ at: now, replicas: current }];
  const past = [...(memory?.past ?? []), ...set, { at: now, replicas: wanted }];
  const replicas = held === undefined ? within(autoscale, stabilise(past, current, now, windows)) : current;
  const decided = replicas === current ? [] : [{ at: now, replicas }];
  const { last } = service.autoscaleStatus ?? AutoscaleStatus.create();
  return {
    memory: { past: recent([...past, ...decided], now, windows), replicas },
    replicas,
    status: {
      observedAt: time,
      tasks: load.tasks,
      cpuPercent: load.cpuPercent,
      connectionsPerSecond: load.connectionsPerSecond,
      message: held ?? words({ autoscale, current, replicas, asked, wanted }),
      last: replicas === current ? last : { from: current, to: replicas, at: time, reason: load.reason },
    },
  };
}

interface Measured {
  /** Tasks that run and have reported. */
  readonly tasks: number;
  readonly cpuPercent: number;
  readonly connectionsPerSecond: number;
  /** What the target that asks for most asks for, whatever the limits. */
  readonly asked: number;
  readonly reason: string;
}

function measure({ service, autoscale, tasks, usageOf }: Situation): Measured {
  const running = tasks.filter((task) => isWanted(task) && task.status.state === TaskState.RUNNING);
  const usages = running.flatMap((task) => usageOf(task) ?? []);
  const replicas = service.spec.replicated?.replicas ?? 0;
  const asked = targetsOf(autoscale, service.spec).map(({ used, goal, busy, words }) => {
    const shares = usages.map((usage) => used(usage) / goal);
    return { count: recommend({ replicas, shares, busy }), reason: words(mean(usages.map(used))) };
  });
  const most = asked.reduce((a, b) => (b.count > a.count ? b : a));
  return {
    tasks: usages.length,
    cpuPercent: mean(usages.map((usage) => cpuPercentOf(usage, service.spec.task.resources))),
    connectionsPerSecond: mean(usages.map((usage) => usage.connectionsPerSecond)),
    asked: most.count,
    reason: most.reason,
  };
}

/** Why nothing is decided, in words. */
function reasonToHold({ service, tasks }: Situation, load: Measured): string | undefined {
  const state = service.updateStatus?.state;
  if (state === UpdateState.PAUSED || state === UpdateState.ROLLBACK_PAUSED) return 'held while its update is paused';
  const isUpdating = state === UpdateState.UPDATING || state === UpdateState.ROLLBACK_STARTED;
  // A spec that has just changed, before the update has begun.
  if (isUpdating || tasks.some((task) => isWanted(task) && isDirty(service, task)))
    return 'held while it is being updated';
  return load.tasks === 0 ? 'no task has told yet what it uses' : undefined;
}

interface Counts {
  readonly autoscale: Autoscale;
  readonly current: number;
  readonly replicas: number;
  readonly asked: number;
  readonly wanted: number;
}

function words({ autoscale: { min, max }, current, replicas, asked, wanted }: Counts): string {
  if (replicas !== current) return `scaled from ${current} to ${replicas}`;
  if (wanted > current) return `the load asks for ${asked}: scaled up when it goes on`;
  if (wanted < current) return `the load asks for ${wanted}: scaled down when it goes on`;
  if (asked > max) return `at its most: the load asks for ${asked}`;
  return current === min ? 'at its least: the load asks for no more' : 'as many as the load asks for';
}

function within({ min, max }: Autoscale, count: number): number {
  return Math.min(max, Math.max(min, count));
}

function mean(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
