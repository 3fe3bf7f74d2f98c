import {
  type ContainerEndpoint,
  type ContainerHealth,
  type ContainerInfo,
  type ContainerNetwork,
  ContainerPhase,
  type MountedVolume,
} from '../../proto/gen/containers.js';
import { HealthStateName } from '../../proto/gen/objects.js';
import {
  type Mount,
  MountType,
  MountTypeName,
  type PortConfig,
  type ResourceRequirements,
} from '../../proto/gen/specs.js';
import { targetText } from '../../proto/ports.js';
import { hostIpOf, stateText } from './container-rows.js';
import { dockerHealthcheck, NEVER, nonEmpty } from './docker-common.js';
import { dockerMount } from './docker-spec.js';
import { goMap } from './go-print.js';
import { rfc3339 } from './human.js';

/** `GET /containers/{id}/json`. */
export function dockerContainer(info: ContainerInfo) {
  const { config } = info;
  const [path = '', ...args] = info.command;
  return {
    Id: info.id,
    Created: rfc3339(info.createdAt),
    Path: path,
    Args: args,
    State: stateOf(info),
    Image: info.imageId,
    LogPath: info.logPath,
    Name: `/${config.name}`,
    RestartCount: info.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: hostConfig(info),
    GraphDriver: { Data: goMap({ MergedDir: info.rootfs }), Name: 'overlay2' },
    Mounts: mountPoints(info),
    Config: processConfig(info),
    NetworkSettings: networkSettings(info),
  };
}

function stateOf(info: ContainerInfo) {
  const { phase } = info;
  return {
    Status: stateText(phase),
    Running: phase === ContainerPhase.RUNNING,
    Paused: false,
    Restarting: phase === ContainerPhase.RESTARTING,
    OOMKilled: info.oomKilled,
    Dead: false,
    Pid: info.pid,
    ExitCode: info.exitCode,
    Error: info.error,
    StartedAt: info.startedAt === 0 ? NEVER : rfc3339(info.startedAt),
    FinishedAt: info.finishedAt === 0 ? NEVER : rfc3339(info.finishedAt),
    Health: info.health ? dockerHealth(info.health) : undefined,
  };
}

function dockerHealth({ status, failingStreak, log }: ContainerHealth) {
  return {
    Status: HealthStateName[status].toLowerCase(),
    FailingStreak: failingStreak,
    Log: log.map((result) => ({
      Start: rfc3339(result.startedAt),
      End: rfc3339(result.endedAt),
      ExitCode: result.exitCode,
      Output: result.output,
    })),
  };
}

function hostConfig({ config }: ContainerInfo) {
  const { container, resources } = config;
  const { limits } = resources;
  const isBind = (mount: Mount) => mount.type === MountType.BIND && mount.createMountpoint;
  return {
    Binds: orNull(container.mounts.filter(isBind).map(bindText)),
    ContainerIDFile: '',
    LogConfig: { Type: config.logDriver?.name || 'json-file', Config: goMap(config.logDriver?.options ?? {}) },
    NetworkMode: config.networks[0]?.network ?? 'bridge',
    PortBindings: portMap(config.ports),
    RestartPolicy: { Name: config.restart || 'no', MaximumRetryCount: config.restartMaxAttempts },
    AutoRemove: config.autoRemove,
    CapAdd: orNull(container.capabilityAdd),
    CapDrop: orNull(container.capabilityDrop),
    Dns: container.dns.nameservers,
    DnsOptions: container.dns.options,
    DnsSearch: container.dns.search,
    ExtraHosts: orNull(container.hosts.map(extraHost)),
    GroupAdd: orNull(container.groups),
    IpcMode: 'private',
    OomScoreAdj: container.oomScoreAdj,
    PidMode: '',
    Privileged: false,
    PublishAllPorts: config.publishAll,
    ReadonlyRootfs: container.readOnly,
    SecurityOpt: container.privileges?.noNewPrivileges ? ['no-new-privileges'] : null,
    Sysctls: Object.keys(container.sysctls).length > 0 ? goMap(container.sysctls) : undefined,
    Init: container.init,
    Memory: limits.memoryBytes,
    NanoCpus: limits.nanoCpus,
    MemorySwap: memorySwap(resources),
    MemorySwappiness: resources.memorySwappiness ?? null,
    PidsLimit: limits.pids === 0 ? null : limits.pids,
    Ulimits: container.ulimits.map(({ name, soft, hard }) => ({ Name: name, Hard: hard, Soft: soft })),
    Devices: container.devices.map((device) => ({
      PathOnHost: device.hostPath,
      PathInContainer: device.containerPath,
      CgroupPermissions: device.permissions,
    })),
    Mounts: nonEmpty(container.mounts.filter((mount) => !isBind(mount)).map(dockerMount)),
  };
}

/** With the memory; twice as much when nothing is said. */
function memorySwap({ limits: { memoryBytes }, memorySwapBytes = memoryBytes }: ResourceRequirements): number {
  return memorySwapBytes < 0 ? -1 : memoryBytes + memorySwapBytes;
}

function processConfig(info: ContainerInfo) {
  const { container, ports, attachStdin } = info.config;
  return {
    Hostname: container.hostname || info.id.slice(0, 12),
    Domainname: '',
    User: container.user,
    AttachStdin: attachStdin,
    AttachStdout: attachStdin,
    AttachStderr: attachStdin,
    ExposedPorts: ports.length > 0 ? goMap(Object.fromEntries(ports.map((port) => [targetText(port), {}]))) : undefined,
    Tty: container.tty,
    OpenStdin: container.openStdin,
    StdinOnce: attachStdin,
    Env: orNull(container.env),
    Cmd: orNull(commandOf(info)),
    Image: container.image,
    Volumes: null,
    WorkingDir: container.dir,
    Entrypoint: orNull(container.entrypoint),
    OnBuild: null,
    Labels: goMap(container.labels),
    Healthcheck: container.healthcheck ? dockerHealthcheck(container.healthcheck) : undefined,
    StopSignal: container.stopSignal === '' ? undefined : container.stopSignal,
    StopTimeout: container.stopGracePeriod === undefined ? undefined : container.stopGracePeriod / 1e9,
  };
}

/** What is run, but for an entrypoint that the user gave. */
function commandOf({ command, config }: ContainerInfo): readonly string[] {
  const { entrypoint, args } = config.container;
  if (args.length > 0) return args;
  return command.slice(entrypoint.length);
}

function networkSettings(info: ContainerInfo) {
  const onBridge = info.endpoints.find((endpoint) => endpoint.networkName === 'bridge');
  const file = info.sandboxKey.slice(info.sandboxKey.lastIndexOf('/') + 1);
  return {
    Bridge: '',
    SandboxID: file !== '' && info.id.startsWith(file) ? info.id : file,
    SandboxKey: info.sandboxKey,
    Ports: portMap(info.ports),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: onBridge?.endpointId ?? '',
    ...addressesOf(onBridge),
    GatewayBridgeAddress: info.gatewayAddress === '' ? undefined : info.gatewayAddress,
    Networks: goMap(networksOf(info)),
  };
}

/** Those that it has endpoints in; of a container that does not run, those that it will have. */
function networksOf({ config, endpoints }: ContainerInfo): Record<string, ReturnType<typeof networkEntry>> {
  const asked = (names: readonly string[]) => config.networks.find(({ network }) => names.includes(network));
  if (endpoints.length > 0)
    return Object.fromEntries(
      endpoints.map((endpoint) => {
        const wanted = asked([endpoint.networkName, endpoint.networkId]);
        return [endpoint.networkName, networkEntry(endpoint, wanted)];
      }),
    );
  const names = config.networks.length > 0 ? config.networks : [undefined];
  return Object.fromEntries(names.map((wanted) => [wanted?.network ?? 'bridge', networkEntry(undefined, wanted)]));
}

function networkEntry(endpoint: ContainerEndpoint | undefined, asked: ContainerNetwork | undefined) {
  const wants = asked !== undefined && asked.ipv4Address + asked.ipv6Address !== '';
  return {
    IPAMConfig: wants
      ? { IPv4Address: asked.ipv4Address || undefined, IPv6Address: asked.ipv6Address || undefined }
      : null,
    Links: null,
    Aliases: orNull(endpoint?.aliases ?? asked?.aliases ?? []),
    DriverOpts: null,
    NetworkID: endpoint?.networkId ?? '',
    EndpointID: endpoint?.endpointId ?? '',
    ...addressesOf(endpoint),
  };
}

function addressesOf(endpoint: ContainerEndpoint | undefined) {
  const find = (isV6: boolean) =>
    endpoint?.addresses.find((address) => address.includes(':') === isV6)?.split('/') ?? [];
  const [v4 = '', prefix4] = find(false);
  const [v6 = '', prefix6] = find(true);
  return {
    Gateway: endpoint?.gateway ?? '',
    GlobalIPv6Address: v6,
    GlobalIPv6PrefixLen: Number(prefix6 ?? 0),
    IPAddress: v4,
    IPPrefixLen: Number(prefix4 ?? 0),
    IPv6Gateway: endpoint?.gateway6 ?? '',
    MacAddress: endpoint?.mac ?? '',
  };
}

/** `{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}`; null for a port that is not published. */
function portMap(ports: readonly PortConfig[]) {
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const port of ports) {
    const key = targetText(port);
    map[key] ??= null;
    if (port.publishedPort === 0) continue;
    map[key] = [...(map[key] ?? []), { HostIp: hostIpOf(port), HostPort: String(port.publishedPort) }];
  }
  return goMap(map);
}

/** Of volumes, those that the container has got: with names, and those of its image too. */
function mountPoints({ config, volumes }: ContainerInfo) {
  const others = config.container.mounts.filter(({ type }) => type !== MountType.VOLUME);
  return [...others.map(dockerMountPoint), ...volumes.map(volumePoint)];
}

function dockerMountPoint(mount: Mount) {
  return {
    Type: MountTypeName[mount.type].toLowerCase(),
    Source: mount.source,
    Destination: mount.target,
    Mode: mount.readOnly ? 'ro' : '',
    RW: !mount.readOnly,
    Propagation: mount.type === MountType.BIND ? mount.propagation || 'rprivate' : '',
  };
}

function volumePoint({ name, source, target, readOnly }: MountedVolume) {
  return {
    Type: 'volume',
    Name: name,
    Source: source,
    Destination: target,
    Driver: 'local',
    Mode: readOnly ? 'ro' : 'z',
    RW: !readOnly,
    Propagation: '',
  };
}

function bindText({ source, target, readOnly, propagation }: Mount): string {
  const options = [readOnly ? 'ro' : '', propagation].filter((option) => option !== '').join(',');
  return `${source}:${target}${options === '' ? '' : `:${options}`}`;
}

/** A line of /etc/hosts as `--add-host` takes it. */
function extraHost(line: string): string {
  const [address = '', name = ''] = line.split(' ');
  return `${name}:${address}`;
}

function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length > 0 ? list : null;
}
