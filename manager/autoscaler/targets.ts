import type { Autoscale, ResourceRequirements, ServiceSpec } from '../../proto/gen/index.js';
import type { Usage } from '../usage/usage-reports.js';
import type { Windows } from './stabilise.js';

/** Something that a task uses, and how much of it each is to use. */
export interface Target {
  /** In the unit of `goal`. */
  readonly used: (usage: Usage) => number;
  readonly goal: number;
  /** What a task that is wholly busy uses, as a multiple of the goal; 1 or more. */
  readonly busy: number;
  /** As in `cpu 93 % of 60 %`. */
  readonly words: (average: number) => string;
}

/** @returns one or two: what the service is scaled by */
export function targetsOf(autoscale: Autoscale, { task }: Pick<ServiceSpec, 'task'>): readonly Target[] {
  const { cpuPercent, connectionsPerSecond } = autoscale;
  const cpu: Target = {
    used: (usage) => cpuPercentOf(usage, task.resources),
    goal: cpuPercent,
    busy: Math.max(1, 100 / cpuPercent),
    words: (average) => `cpu ${Math.round(average)} % of ${cpuPercent} %`,
  };
  const connections: Target = {
    used: (usage) => usage.connectionsPerSecond,
    goal: connectionsPerSecond,
    busy: 1,
    words: (average) => `${Number(average.toFixed(1))} of ${connectionsPerSecond} connections per second`,
  };
  return [cpu, connections].filter(({ goal }) => goal > 0);
}

/** Percent of what the task may use: of its limit, else of its reservation, else of one CPU. */
export function cpuPercentOf({ nanoCpus }: Usage, { limits, reservations }: ResourceRequirements): number {
  return (nanoCpus / (limits.nanoCpus || reservations.nanoCpus || 1e9)) * 100;
}

const DEFAULT_UP = 15_000;
const DEFAULT_DOWN = 180_000;

export function windowsOf({ upWindow, downWindow }: Autoscale): Windows {
  const ms = (ns: number | undefined, otherwise: number) => (ns === undefined ? otherwise : ns / 1e6);
  return { up: ms(upWindow, DEFAULT_UP), down: ms(downWindow, DEFAULT_DOWN) };
}
