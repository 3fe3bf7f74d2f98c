import { invalidArgument } from '../../lib/errors.js';
import { logSettings } from '../../lib/log-drivers.js';
import {
  ContainerSpec,
  EndpointMode,
  type EndpointSpec,
  FailureAction,
  GlobalJobMode,
  GlobalMode,
  LogDriver,
  type Placement,
  type ReplicatedJobMode,
  type ResourceRequirements,
  RestartCondition,
  type RestartPolicy,
  Schedule,
  ServiceSpec,
  type TaskSpec,
  UpdateConfig,
  UpdateOrder,
} from '../../proto/gen/specs.js';
import { parseAutoscale } from './autoscale.js';
import { applyContainerFlags, type FlagSources } from './container.js';
import { type Flags, inFlag } from './flags.js';
import { editList, editRecord } from './lists.js';
import { matchesPublishRm, parsePublish } from './ports.js';
import {
  parseConstraint,
  parseDependency,
  parseGenericResource,
  parseNetwork,
  parsePair,
  parsePlacementPreference,
} from './values.js';

const MODES = ['replicated', 'global', 'replicated-job', 'global-job'] as const;
const RESTART: Readonly<Record<string, RestartCondition>> = {
  any: RestartCondition.ANY,
  'on-failure': RestartCondition.ON_FAILURE,
  none: RestartCondition.NONE,
};
const ACTION: Readonly<Record<string, FailureAction>> = {
  pause: FailureAction.PAUSE,
  continue: FailureAction.CONTINUE,
  rollback: FailureAction.ROLLBACK,
};
const ORDER: Readonly<Record<string, UpdateOrder>> = {
  'stop-first': UpdateOrder.STOP_FIRST,
  'start-first': UpdateOrder.START_FIRST,
};
const ENDPOINT: Readonly<Record<string, EndpointMode>> = { vip: EndpointMode.VIP, dnsrr: EndpointMode.DNSRR };

/** An image name with `:latest` where it has neither tag nor digest. */
export function withTag(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1);
  return name.includes(':') || name.includes('@') ? image : `${image}:latest`;
}

/**
 * The spec of `service create`.
 * @throws INVALID_ARGUMENT that names the flag and value
 */
export function createSpec(image: string, args: readonly string[], flags: Flags, sources: FlagSources): ServiceSpec {
  if (image === '') throw invalidArgument('the image has no name', { value: image });
  const empty = ServiceSpec.create();
  const container = ContainerSpec.create({ image: withTag(image), args });
  const named = { ...empty, name: flags.text('name') ?? '', task: { ...empty.task, container } };
  return applyServiceFlags({ ...named, ...createMode(flags) }, flags, sources);
}

/** A service's spec with the flags of `service update` (or of create, on an empty one) applied. */
export function applyServiceFlags(spec: ServiceSpec, flags: Flags, sources: FlagSources): ServiceSpec {
  const isJob = spec.replicatedJob !== undefined || spec.globalJob !== undefined;
  for (const kind of ['update', 'rollback'] as const)
    if (isJob && updateFlagsGiven(flags, kind)[0])
      throw invalidArgument(`--${updateFlagsGiven(flags, kind)[0]} cannot be used with a job`, {
        hint: 'Jobs run once: they have no updates and no rollbacks.',
      });
  return {
    ...spec,
    labels: editRecord(spec.labels, flags, 'label'),
    dependsOn: editList(spec.dependsOn, flags, 'depends-on', {
      parse: parseDependency,
      key: ({ service }) => service,
    }),
    task: applyTaskFlags(spec.task, flags, sources),
    ...applyReplicaFlags(spec, flags),
    ...applyAutoscaleFlag(spec, flags),
    schedule: applyScheduleFlags(spec, flags),
    update: applyUpdateFlags(spec.update, flags, 'update'),
    rollback: applyUpdateFlags(spec.rollback, flags, 'rollback'),
    endpoint: applyEndpointFlags(spec.endpoint, flags),
  };
}

function createMode(flags: Flags): Partial<ServiceSpec> {
  const mode = flags.choice('mode', MODES) ?? 'replicated';
  if (mode !== 'replicated-job' && flags.has('max-concurrent'))
    throw invalidArgument(`--max-concurrent cannot be used with --mode ${mode}`, {
      hint: 'It is for --mode replicated-job.',
    });
  if (mode === 'global') return { global: GlobalMode.create() };
  if (mode === 'global-job') return { globalJob: GlobalJobMode.create() };
  if (mode === 'replicated') return { replicated: { replicas: 1 } };
  const completions = flags.integer('replicas') ?? 1;
  return { replicatedJob: { totalCompletions: completions, maxConcurrent: completions } };
}

function applyReplicaFlags(spec: ServiceSpec, flags: Flags): Partial<ServiceSpec> {
  const replicas = flags.integer('replicas');
  const maxConcurrent = flags.integer('max-concurrent');
  if (replicas === undefined && maxConcurrent === undefined) return {};
  if (spec.replicatedJob) {
    const job: ReplicatedJobMode = {
      totalCompletions: replicas ?? spec.replicatedJob.totalCompletions,
      // With fewer tasks than that in all, no more than all can run at once.
      maxConcurrent: maxConcurrent ?? Math.min(spec.replicatedJob.maxConcurrent, replicas ?? Number.POSITIVE_INFINITY),
    };
    return { replicatedJob: job };
  }
  if (spec.replicated && replicas !== undefined) return { replicated: { replicas } };
  throw invalidArgument(
    replicas === undefined
      ? '--max-concurrent can only be used with replicated-job mode'
      : '--replicas can only be used with replicated or replicated-job mode',
    { hint: 'A global service runs one task on each node.' },
  );
}

/** Where the number of tasks is not given beside it, it becomes the nearest in the range; of a new service, the least. */
function applyAutoscaleFlag({ replicated }: ServiceSpec, flags: Flags): Partial<ServiceSpec> {
  const text = flags.text('autoscale');
  if (text === undefined) return {};
  const autoscale = inFlag('autoscale', text, parseAutoscale);
  if (!autoscale || !replicated || flags.has('replicas')) return { autoscale };
  const replicas = Math.min(autoscale.max, Math.max(autoscale.min, replicated.replicas));
  return { autoscale, replicated: { replicas } };
}

const SCHEDULE_FLAGS = ['schedule', 'schedule-time-zone', 'schedule-overlap', 'schedule-missed-window'];

/** The managers know cron lines and time zones. An empty `--schedule` takes the schedule away. */
function applyScheduleFlags(spec: ServiceSpec, flags: Flags): Schedule | undefined {
  const [given] = SCHEDULE_FLAGS.filter((flag) => flags.has(flag));
  if (given === undefined) return spec.schedule;
  const isJob = spec.replicatedJob !== undefined || spec.globalJob !== undefined;
  if (!isJob)
    throw invalidArgument(`--${given} can only be used with a job`, {
      hint: 'Jobs are services with --mode replicated-job or --mode global-job.',
    });
  const cron = flags.text('schedule') ?? spec.schedule?.cron ?? '';
  if (cron === '') {
    const option = SCHEDULE_FLAGS.slice(1).find((flag) => flags.has(flag));
    if (option === undefined) return undefined;
    throw invalidArgument(`--${option} cannot be used without a schedule`, {
      hint: 'Give one with --schedule, as in --schedule "*/5 * * * *".',
    });
  }
  const base = spec.schedule ?? Schedule.create();
  return {
    cron,
    timeZone: flags.text('schedule-time-zone') ?? base.timeZone,
    overlap: flags.choice('schedule-overlap', ['allow', 'skip', 'replace']) ?? base.overlap,
    missedRunWindow: flags.duration('schedule-missed-window') ?? base.missedRunWindow,
  };
}

function applyTaskFlags(task: TaskSpec, flags: Flags, sources: FlagSources): TaskSpec {
  const idOf = (network: string) => sources.networkIds.get(network) ?? network;
  return {
    container: applyContainerFlags(task.container, flags, sources),
    resources: applyResourceFlags(task.resources, flags),
    restart: applyRestartFlags(task.restart, flags),
    placement: applyPlacementFlags(task.placement, flags),
    networks: editList(task.networks, flags, 'network', {
      parse: (text) => {
        const network = parseNetwork(text);
        return { ...network, target: idOf(network.target) };
      },
      key: (network) => network.target,
      removes: (text) => (network) => network.target === idOf(text),
    }),
    logDriver: applyLogFlags(task.logDriver, flags),
    forceUpdate: task.forceUpdate + (flags.on('force') ? 1 : 0),
    attachment: undefined,
  };
}

function applyResourceFlags(resources: ResourceRequirements, flags: Flags): ResourceRequirements {
  const { limits, reservations } = resources;
  return {
    limits: {
      nanoCpus: flags.cpus('limit-cpu') ?? limits.nanoCpus,
      memoryBytes: flags.bytes('limit-memory') ?? limits.memoryBytes,
      pids: flags.integer('limit-pids') ?? limits.pids,
    },
    reservations: {
      nanoCpus: flags.cpus('reserve-cpu') ?? reservations.nanoCpus,
      memoryBytes: flags.bytes('reserve-memory') ?? reservations.memoryBytes,
      generic: editList(reservations.generic, flags, 'generic-resource', {
        parse: parseGenericResource,
        key: (resource) => resource.kind,
      }),
    },
    memorySwapBytes:
      flags.text('memory-swap') === '-1' ? -1 : (flags.bytes('memory-swap') ?? resources.memorySwapBytes),
    memorySwappiness: flags.integer('memory-swappiness', -1, 100) ?? resources.memorySwappiness,
  };
}

function applyRestartFlags(restart: RestartPolicy, flags: Flags): RestartPolicy {
  const condition = flags.choice('restart-condition', Object.keys(RESTART));
  return {
    condition: (condition === undefined ? undefined : RESTART[condition]) ?? restart.condition,
    delay: flags.duration('restart-delay') ?? restart.delay,
    maxAttempts: flags.integer('restart-max-attempts') ?? restart.maxAttempts,
    window: flags.duration('restart-window') ?? restart.window,
  };
}

function applyPlacementFlags(placement: Placement, flags: Flags): Placement {
  const bare = (constraint: string) => constraint.replaceAll(/\s/g, '');
  return {
    ...placement,
    constraints: editList(placement.constraints, flags, 'constraint', {
      parse: parseConstraint,
      key: bare,
      removes: (text) => (constraint) => bare(constraint) === bare(text),
    }),
    preferences: editList(placement.preferences, flags, 'placement-pref', {
      parse: parsePlacementPreference,
      key: (preference) => preference.spread,
      removes: (text) => (preference) => preference.spread === parsePlacementPreference(text).spread,
    }),
    maxReplicas: flags.integer('replicas-max-per-node') ?? placement.maxReplicas,
  };
}

/** An empty `--log-driver` is back to the default one. */
function applyLogFlags(current: LogDriver | undefined, flags: Flags): LogDriver | undefined {
  const options = flags.each('log-opt', parsePair);
  if (!flags.has('log-driver') && options.length === 0) return current;
  const base = current ?? LogDriver.create();
  const name = flags.text('log-driver') ?? base.name;
  const kept = name === base.name ? base.options : {};
  const driver = { name, options: { ...kept, ...Object.fromEntries(options) } };
  if (name === '' && options.length === 0) return undefined;
  logSettings(driver.name, driver.options);
  return driver;
}

type UpdateKind = 'update' | 'rollback';
const UPDATE_FLAGS = ['parallelism', 'delay', 'failure-action', 'monitor', 'max-failure-ratio', 'order'];

function updateFlagsGiven(flags: Flags, kind: UpdateKind): string[] {
  return UPDATE_FLAGS.map((flag) => `${kind}-${flag}`).filter((flag) => flags.has(flag));
}

/** Not given at all is not the same as all defaults: managers choose then. */
function applyUpdateFlags(current: UpdateConfig | undefined, flags: Flags, kind: UpdateKind): UpdateConfig | undefined {
  if (updateFlagsGiven(flags, kind).length === 0) return current;
  const base = current ?? UpdateConfig.create({ parallelism: 1 });
  const actions = kind === 'update' ? ['pause', 'continue', 'rollback'] : ['pause', 'continue'];
  const action = flags.choice(`${kind}-failure-action`, actions);
  const order = flags.choice(`${kind}-order`, Object.keys(ORDER));
  return {
    parallelism: flags.integer(`${kind}-parallelism`) ?? base.parallelism,
    delay: flags.duration(`${kind}-delay`) ?? base.delay,
    failureAction: (action === undefined ? undefined : ACTION[action]) ?? base.failureAction,
    monitor: flags.duration(`${kind}-monitor`) ?? base.monitor,
    maxFailureRatio: flags.ratio(`${kind}-max-failure-ratio`) ?? base.maxFailureRatio,
    order: (order === undefined ? undefined : ORDER[order]) ?? base.order,
  };
}

function applyEndpointFlags(endpoint: EndpointSpec, flags: Flags): EndpointSpec {
  const mode = flags.choice('endpoint-mode', Object.keys(ENDPOINT));
  return {
    mode: (mode === undefined ? undefined : ENDPOINT[mode]) ?? endpoint.mode,
    ports: editList(endpoint.ports, flags, 'publish', {
      parse: parsePublish,
      key: (port) => [port.publishedPort, port.targetPort, port.protocol, port.publishMode, port.hostIp].join('/'),
      removes: matchesPublishRm,
    }),
  };
}

/** The networks that flags name, for the caller to find their ids. */
export function networkNames(flags: Flags): readonly string[] {
  const added = ['network', 'network-add'].flatMap((flag) => flags.each(flag, parseNetwork).map((n) => n.target));
  return [...new Set([...added, ...flags.list('network-rm')])];
}
