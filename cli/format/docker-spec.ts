import {
  type ContainerSpec,
  type EndpointSpec,
  FailureActionName,
  type FileReference,
  type Mount,
  MountTypeName,
  type Placement,
  type ResourceRequirements,
  RestartConditionName,
  type RestartPolicy,
  type ServiceSpec,
  type TaskSpec,
  type UpdateConfig,
  UpdateOrderName,
} from '../../proto/gen/specs.js';
import { dockerAutoscale } from './autoscale.js';
import {
  dashed,
  dockerHealthcheck,
  dockerPort,
  nonBlank,
  nonEmpty,
  nonVoid,
  nonZero,
  orUndefined,
} from './docker-common.js';
import { goMap } from './go-print.js';

const SECOND = 1_000_000_000;

/** Docker's `insertDefaults`: what holds when the user said nothing is shown as if it were said. */
export interface SpecOptions {
  readonly defaults: boolean;
}

export function dockerServiceSpec(spec: ServiceSpec, options: SpecOptions) {
  const isJob = spec.replicatedJob !== undefined || spec.globalJob !== undefined;
  const update = (config: UpdateConfig | undefined) =>
    config ? dockerUpdateConfig(config, options) : options.defaults && !isJob ? DEFAULT_UPDATE : undefined;
  return {
    Name: spec.name,
    Labels: goMap(spec.labels),
    TaskTemplate: { ...dockerTaskSpec(spec.task, options), Runtime: 'container' },
    Mode: dockerMode(spec),
    UpdateConfig: update(spec.update),
    RollbackConfig: update(spec.rollback),
    EndpointSpec: dockerEndpointSpec(spec.endpoint),
    Autoscale: dockerAutoscale(spec.autoscale),
    Schedule: spec.schedule && {
      Cron: spec.schedule.cron,
      TimeZone: spec.schedule.timeZone || 'UTC',
      Overlap: spec.schedule.overlap || 'skip',
      MissedRunWindow: spec.schedule.missedRunWindow || undefined,
    },
    DependsOn: nonEmpty(spec.dependsOn.map(({ service, condition }) => ({ Service: service, Condition: condition }))),
  };
}

function dockerMode(spec: ServiceSpec) {
  const job = spec.replicatedJob;
  return {
    Replicated: spec.replicated ? { Replicas: spec.replicated.replicas } : undefined,
    Global: spec.global ? {} : undefined,
    ReplicatedJob: job ? { MaxConcurrent: job.maxConcurrent, TotalCompletions: job.totalCompletions } : undefined,
    GlobalJob: spec.globalJob ? {} : undefined,
  };
}

export function dockerEndpointSpec(spec: EndpointSpec) {
  return { Mode: spec.mode === 0 ? 'vip' : 'dnsrr', Ports: nonEmpty(spec.ports.map(dockerPort)) };
}

export function dockerTaskSpec(task: TaskSpec, options: SpecOptions) {
  return {
    ContainerSpec: dockerContainerSpec(task.container, options),
    Resources: dockerResources(task.resources),
    RestartPolicy: dockerRestartPolicy(task.restart, options),
    Placement: dockerPlacement(task.placement),
    Networks: nonEmpty(
      task.networks.map((network) => ({
        Target: network.target,
        Aliases: nonEmpty(network.aliases),
        DriverOpts: Object.keys(network.driverOptions).length > 0 ? goMap(network.driverOptions) : undefined,
        VirtualIP: nonBlank(network.virtualIp),
      })),
    ),
    LogDriver: task.logDriver ? { Name: task.logDriver.name, Options: goMap(task.logDriver.options) } : undefined,
    ForceUpdate: task.forceUpdate,
  };
}

function dockerContainerSpec(spec: ContainerSpec, { defaults }: SpecOptions) {
  const grace = spec.stopGracePeriod ?? (defaults ? 10 * SECOND : undefined);
  return {
    Image: spec.image,
    Labels: mapOrUndefined(spec.labels),
    Command: nonEmpty(spec.entrypoint),
    Args: nonEmpty(spec.args),
    Hostname: nonBlank(spec.hostname),
    Env: nonEmpty(spec.env),
    Dir: nonBlank(spec.dir),
    User: nonBlank(spec.user),
    Groups: nonEmpty(spec.groups),
    Privileges: spec.privileges
      ? {
          NoNewPrivileges: spec.privileges.noNewPrivileges,
          Seccomp: nonBlank(spec.privileges.seccomp),
          AppArmor: nonBlank(spec.privileges.apparmor),
        }
      : undefined,
    Init: spec.init ?? (defaults ? false : undefined),
    StopSignal: nonBlank(spec.stopSignal),
    TTY: orUndefined(spec.tty),
    OpenStdin: orUndefined(spec.openStdin),
    ReadOnly: orUndefined(spec.readOnly),
    Mounts: nonEmpty(spec.mounts.map(dockerMount)),
    StopGracePeriod: grace,
    Healthcheck: spec.healthcheck ? dockerHealthcheck(spec.healthcheck) : undefined,
    Hosts: nonEmpty(spec.hosts),
    DNSConfig: {
      Nameservers: nonEmpty(spec.dns.nameservers),
      Search: nonEmpty(spec.dns.search),
      Options: nonEmpty(spec.dns.options),
    },
    Secrets: nonEmpty(spec.secrets.map((file) => ({ ...dockerFile(file), SecretID: file.id, SecretName: file.name }))),
    Configs: nonEmpty(spec.configs.map((file) => ({ ...dockerFile(file), ConfigID: file.id, ConfigName: file.name }))),
    Isolation: spec.isolation || (defaults ? 'default' : undefined),
    Sysctls: mapOrUndefined(spec.sysctls),
    CapabilityAdd: nonEmpty(spec.capabilityAdd),
    CapabilityDrop: nonEmpty(spec.capabilityDrop),
    Ulimits: nonEmpty(spec.ulimits.map(({ name, soft, hard }) => ({ Name: name, Hard: hard, Soft: soft }))),
    OomScoreAdj: nonZero(spec.oomScoreAdj),
    Devices: nonEmpty(
      spec.devices.map((device) => ({
        PathOnHost: device.hostPath,
        PathInContainer: device.containerPath,
        CgroupPermissions: device.permissions,
      })),
    ),
  };
}

function mapOrUndefined(record: Readonly<Record<string, string>>) {
  return Object.keys(record).length > 0 ? goMap(record) : undefined;
}

export function dockerMount(mount: Mount) {
  const { volume, tmpfs } = mount;
  return {
    Type: MountTypeName[mount.type].toLowerCase(),
    Source: nonBlank(mount.source),
    Target: mount.target,
    ReadOnly: orUndefined(mount.readOnly),
    Consistency: nonBlank(mount.consistency),
    BindOptions: nonVoid({
      Propagation: nonBlank(mount.propagation),
      NonRecursive: orUndefined(mount.nonRecursive),
      CreateMountpoint: orUndefined(mount.createMountpoint),
    }),
    VolumeOptions: volume
      ? {
          NoCopy: orUndefined(volume.noCopy),
          Labels: mapOrUndefined(volume.labels),
          Subpath: nonBlank(volume.subpath),
          DriverConfig: nonVoid({
            Name: nonBlank(volume.driver),
            Options: mapOrUndefined(volume.driverOptions),
          }),
        }
      : undefined,
    TmpfsOptions: tmpfs ? { SizeBytes: nonZero(tmpfs.sizeBytes), Mode: nonZero(tmpfs.mode) } : undefined,
  };
}

function dockerFile(file: FileReference) {
  return { File: { Name: file.target, UID: file.uid, GID: file.gid, Mode: file.mode } };
}

function dockerResources({ limits, reservations, memorySwapBytes, memorySwappiness }: ResourceRequirements) {
  return {
    Limits: {
      NanoCPUs: nonZero(limits.nanoCpus),
      MemoryBytes: nonZero(limits.memoryBytes),
      Pids: nonZero(limits.pids),
    },
    Reservations: {
      NanoCPUs: nonZero(reservations.nanoCpus),
      MemoryBytes: nonZero(reservations.memoryBytes),
      GenericResources: nonEmpty(
        reservations.generic.map(({ kind, value }) => ({ DiscreteResourceSpec: { Kind: kind, Value: value } })),
      ),
    },
    SwapBytes: memorySwapBytes,
    MemorySwappiness: memorySwappiness,
  };
}

function dockerRestartPolicy(restart: RestartPolicy, { defaults }: SpecOptions) {
  return {
    Condition: dashed(RestartConditionName[restart.condition]),
    Delay: restart.delay ?? (defaults ? 5 * SECOND : undefined),
    MaxAttempts: restart.maxAttempts,
    Window: nonZero(restart.window),
  };
}

function dockerPlacement(placement: Placement) {
  return {
    Constraints: nonEmpty(placement.constraints),
    Preferences: nonEmpty(placement.preferences.map(({ spread }) => ({ Spread: { SpreadDescriptor: spread } }))),
    MaxReplicas: nonZero(placement.maxReplicas),
    Platforms: nonEmpty(placement.platforms.map(({ architecture, os }) => ({ Architecture: architecture, OS: os }))),
  };
}

const DEFAULT_UPDATE = {
  Parallelism: 1,
  Delay: undefined as number | undefined,
  FailureAction: 'pause',
  Monitor: (5 * SECOND) as number | undefined,
  MaxFailureRatio: 0,
  Order: 'stop-first',
};

function dockerUpdateConfig(config: UpdateConfig, { defaults }: SpecOptions): typeof DEFAULT_UPDATE {
  return {
    Parallelism: config.parallelism,
    Delay: nonZero(config.delay),
    FailureAction: dashed(FailureActionName[config.failureAction]),
    Monitor: config.monitor ?? (defaults ? 5 * SECOND : undefined),
    // A protobuf float: 0.3 arrives as 0.30000001192092896.
    MaxFailureRatio: Number(config.maxFailureRatio.toPrecision(6)),
    Order: dashed(UpdateOrderName[config.order]),
  };
}
