import type { AutoscaleStatus, ScalingDecision, Service } from '../../proto/gen/objects.js';
import type { Autoscale, ServiceSpec } from '../../proto/gen/specs.js';
import { nonZero } from './docker-common.js';
import { goDuration, rfc3339 } from './human.js';
import type { PrettyLine } from './pretty.js';

/** How long load lasts when it is not said, in nanoseconds. */
const UP_WINDOW = 15e9;
const DOWN_WINDOW = 180e9;

/** `scaled from 2 to 4 at 2026-01-02T13:23:37Z: cpu 93 % of 60 %`. */
function scalingWords({ from, to, at, reason }: ScalingDecision): string {
  return `scaled from ${from} to ${to} at ${rfc3339(at)}: ${reason}`;
}

/** What load has made of a service, in one line; undefined when it is not scaled by load. */
export function autoscaleNote({ spec, autoscaleStatus }: Service): string | undefined {
  if (!spec.autoscale) return undefined;
  const { message = 'nothing is known of its load yet', last } = autoscaleStatus ?? {};
  const now = `${spec.autoscale.min} to ${spec.autoscale.max} tasks by load, ${usageWords(spec, autoscaleStatus)}${message}`;
  return `${spec.name}: ${last ? `${scalingWords(last)}; ${now}` : now}`;
}

function usageWords({ autoscale }: ServiceSpec, status: AutoscaleStatus | undefined): string {
  if (!autoscale || !status || status.tasks === 0) return '';
  return `${usagesOf(autoscale, status).join(', ')}: `;
}

function usagesOf(autoscale: Autoscale, { cpuPercent, connectionsPerSecond }: AutoscaleStatus): string[] {
  return [
    ...(autoscale.cpuPercent > 0 ? [`cpu ${Math.round(cpuPercent)} % of ${autoscale.cpuPercent} %`] : []),
    ...(autoscale.connectionsPerSecond > 0
      ? [`${Number(connectionsPerSecond.toFixed(1))} of ${autoscale.connectionsPerSecond} connections per second`]
      : []),
  ];
}

/** For `service inspect --pretty`. */
export function autoscaleLines({ spec, autoscaleStatus: status }: Service): PrettyLine[] {
  const { autoscale, task } = spec;
  if (!autoscale) return [];
  const { limits, reservations } = task.resources;
  const cpus = (limits.nanoCpus || reservations.nanoCpus || 1e9) / 1e9;
  const { cpuPercent, connectionsPerSecond, upWindow = UP_WINDOW, downWindow = DOWN_WINDOW } = autoscale;
  return [
    ['Autoscale', ''],
    ['Tasks', `${autoscale.min} to ${autoscale.max}`, 1],
    ['CPU', cpuPercent > 0 ? `${cpuPercent} % of ${cpus} CPU` : undefined, 1],
    ['Connections', connectionsPerSecond > 0 ? `${connectionsPerSecond} per second and task` : undefined, 1],
    ['Windows', `up ${goDuration(upWindow)}, down ${goDuration(downWindow)}`, 1],
    ['Usage', status && status.tasks > 0 ? `${usagesOf(autoscale, status).join(', ')} (${at(status)})` : undefined, 1],
    ['State', status?.message, 1],
    ['Last', status?.last && scalingWords(status.last), 1],
  ];
}

const at = ({ tasks, observedAt }: AutoscaleStatus) =>
  `average of ${tasks} ${tasks === 1 ? 'task' : 'tasks'} at ${rfc3339(observedAt)}`;

/** In `Spec` of `service inspect`. Docker has no such thing: it is left out where it is not used. */
export function dockerAutoscale(autoscale: Autoscale | undefined) {
  if (!autoscale) return undefined;
  return {
    Min: autoscale.min,
    Max: autoscale.max,
    CPUPercent: nonZero(autoscale.cpuPercent),
    ConnectionsPerSecond: nonZero(autoscale.connectionsPerSecond),
    UpWindow: autoscale.upWindow ?? UP_WINDOW,
    DownWindow: autoscale.downWindow ?? DOWN_WINDOW,
  };
}

export function dockerAutoscaleStatus(status: AutoscaleStatus | undefined) {
  if (!status) return undefined;
  const { last } = status;
  return {
    ObservedAt: rfc3339(status.observedAt),
    Tasks: status.tasks,
    CPUPercent: status.cpuPercent,
    ConnectionsPerSecond: status.connectionsPerSecond,
    Message: status.message,
    Last: last ? { From: last.from, To: last.to, At: rfc3339(last.at), Reason: last.reason } : undefined,
  };
}
