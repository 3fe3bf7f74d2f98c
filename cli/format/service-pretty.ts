import { type Node, RebalanceStateName, type Service, UpdateState, UpdateStateName } from '../../proto/gen/objects.js';
import {
  FailureActionName,
  type HealthConfig,
  MountTypeName,
  type PortConfig,
  type ResourceRequirements,
  RestartConditionName,
  type ServiceSpec,
  type UpdateConfig,
  UpdateOrderName,
} from '../../proto/gen/specs.js';
import { modeText, publishedAt, targetText } from '../../proto/ports.js';
import { autoscaleLines } from './autoscale.js';
import { dashed } from './docker-common.js';
import { goDuration, humanBytes, rfc3339 } from './human.js';
import { portNotes } from './port-notes.js';
import { labelLines, type PrettyLine, prettyLines } from './pretty.js';
import { modeOf } from './rows.js';
import { scheduleLines } from './schedule.js';

/** `service inspect --pretty`. @param networkName of a network's id; @param nodes of the swarm */
export function prettyService(
  service: Service,
  networkName: (id: string) => string,
  nodes: readonly Node[] = [],
): string {
  const { spec } = service;
  const problems = [...service.problems, ...portNotes(service, nodes)];
  const lines: PrettyLine[] = [
    ['ID', service.id],
    ['Name', spec.name],
    ...labelLines(spec.labels),
    ['Service Mode', modeOf(service).replace(/^./, (c) => c.toUpperCase())],
    ['Replicas', spec.replicated?.replicas, 1],
    ['Max Concurrent', spec.replicatedJob?.maxConcurrent, 1],
    ['Total Completions', spec.replicatedJob?.totalCompletions, 1],
    ...autoscaleLines(service),
    ...scheduleLines(service),
    ['Depends On', spec.dependsOn.map((d) => `${d.service} (${d.condition})`).join(', ') || undefined],
    ...updateStatusLines(service),
    ...rebalanceLines(service),
    ...placementLines(spec),
    ...updateConfigLines('UpdateConfig', spec.update),
    ...updateConfigLines('RollbackConfig', spec.rollback),
    ...containerLines(spec),
    ...resourceLines(spec.task.resources),
    ...restartLines(spec),
    ['Networks', spec.task.networks.map((network) => networkName(network.target)).join(' ') || undefined],
    ['Endpoint Mode', spec.endpoint.mode === 0 ? 'vip' : 'dnsrr'],
    ['Ports', service.endpoint.ports.length > 0 ? '' : undefined],
    ...service.endpoint.ports.map((port): PrettyLine => ['PublishedPort', portLine(port), 1]),
    ['Problems', problems.length > 0 ? '' : undefined],
    ...problems.map((problem, i): PrettyLine => [String(i + 1), problem, 1]),
  ];
  return prettyLines(lines);
}

/** `192.0.2.7:8080 -> 80/tcp (ingress, lc, affinity 10m0s)`; in host mode also `8080-8090 -> …` and `any -> …`. */
function portLine(port: PortConfig): string {
  const affinity = port.affinityTimeout > 0 ? `affinity ${goDuration(port.affinityTimeout)}` : '';
  const words = [modeText(port), port.scheduler, affinity].filter((word) => word !== '').join(', ');
  return `${publishedAt(port)} -> ${targetText(port)} (${words})`;
}

function updateStatusLines({ updateStatus: status }: Service): PrettyLine[] {
  if (!status || status.state === UpdateState.UNKNOWN) return [];
  return [
    ['UpdateStatus', ''],
    ['State', UpdateStateName[status.state].toLowerCase(), 1],
    ['Started', status.startedAt === 0 ? undefined : rfc3339(status.startedAt), 1],
    ['Completed', status.completedAt === 0 ? undefined : rfc3339(status.completedAt), 1],
    ['Message', status.message || undefined, 1],
  ];
}

function rebalanceLines({ rebalance }: Service): PrettyLine[] {
  if (!rebalance) return [];
  return [
    ['Rebalance', ''],
    ['State', RebalanceStateName[rebalance.state].toLowerCase(), 1],
    ['Started', rfc3339(rebalance.startedAt), 1],
    ['Completed', rebalance.completedAt === 0 ? undefined : rfc3339(rebalance.completedAt), 1],
    ['Tasks Moved', rebalance.moved, 1],
    ['Message', rebalance.message || undefined, 1],
  ];
}

function placementLines({ task: { placement } }: ServiceSpec): PrettyLine[] {
  const { constraints, preferences, maxReplicas } = placement;
  return [
    ['Placement', constraints.length + preferences.length + maxReplicas > 0 ? '' : undefined],
    ['Constraints', constraints.length > 0 ? `[${constraints.join(' ')}]` : undefined, 1],
    ['Preferences', preferences.map(({ spread }) => `spread=${spread}`).join(', ') || undefined, 1],
    ['Max Replicas Per Node', maxReplicas || undefined, 1],
  ];
}

function updateConfigLines(title: string, config: UpdateConfig | undefined): PrettyLine[] {
  if (!config) return [];
  return [
    [title, ''],
    ['Parallelism', config.parallelism, 1],
    ['Delay', config.delay === 0 ? undefined : goDuration(config.delay), 1],
    ['On failure', dashed(FailureActionName[config.failureAction]), 1],
    ['Monitoring Period', config.monitor === undefined ? undefined : goDuration(config.monitor), 1],
    ['Max failure ratio', Number(config.maxFailureRatio.toPrecision(6)), 1],
    ['Update order', dashed(UpdateOrderName[config.order]), 1],
  ];
}

function containerLines({ task: { container } }: ServiceSpec): PrettyLine[] {
  return [
    ['ContainerSpec', ''],
    ['Image', container.image, 1],
    ['Command', container.entrypoint.join(' ') || undefined, 1],
    ['Args', container.args.join(' ') || undefined, 1],
    ['Env', container.env.join(' ') || undefined, 1],
    ['Dir', container.dir || undefined, 1],
    ['User', container.user || undefined, 1],
    ['Healthcheck', container.healthcheck ? healthText(container.healthcheck) : undefined, 1],
    ['Init', container.init === undefined ? undefined : String(container.init), 1],
    ['Mounts', container.mounts.length > 0 ? '' : undefined, 1],
    ...container.mounts.map((mount): PrettyLine => {
      const access = mount.readOnly ? 'read-only' : 'read-write';
      return [mount.target, `${mount.source} (${MountTypeName[mount.type].toLowerCase()}, ${access})`, 2];
    }),
  ];
}

/** `curl -f localhost (interval 5s, retries 2)`; what is not said is the image's, or the default. */
function healthText({ test, interval, timeout, startPeriod, startInterval, retries }: HealthConfig): string {
  const [kind, ...words] = test;
  if (kind === 'NONE') return 'none';
  const times = Object.entries({ interval, timeout, 'start period': startPeriod, 'start interval': startInterval });
  const given = times.filter(([, ns]) => ns > 0).map(([name, ns]) => `${name} ${goDuration(ns)}`);
  const all = retries > 0 ? [...given, `retries ${retries}`] : given;
  const command = words.join(' ') || "the image's";
  return all.length > 0 ? `${command} (${all.join(', ')})` : command;
}

function resourceLines({ limits, reservations }: ResourceRequirements): PrettyLine[] {
  const lines = (title: string, cpus: number, memory: number): PrettyLine[] =>
    cpus + memory === 0
      ? []
      : [
          [title, '', 1],
          ['CPU', cpus === 0 ? undefined : cpus / 1e9, 2],
          ['Memory', memory === 0 ? undefined : humanBytes(memory), 2],
        ];
  const all = [
    ...lines('Reservations', reservations.nanoCpus, reservations.memoryBytes),
    ...lines('Limits', limits.nanoCpus, limits.memoryBytes),
  ];
  return all.length > 0 ? [['Resources', ''], ...all] : [];
}

function restartLines({ task: { restart } }: ServiceSpec): PrettyLine[] {
  return [
    ['RestartPolicy', ''],
    ['Condition', dashed(RestartConditionName[restart.condition]), 1],
    ['Delay', restart.delay === undefined ? undefined : goDuration(restart.delay), 1],
    ['Max attempts', restart.maxAttempts || undefined, 1],
    ['Window', restart.window === 0 ? undefined : goDuration(restart.window), 1],
  ];
}
