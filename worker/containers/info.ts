import { addressOf, contains, parseAddress, parseCidr } from '../../lib/ip.js';
import { isKernelError } from '../../netlb/kernel/errors.js';
import { NetNamespace } from '../../netlb/kernel/namespace.js';
import { RouteSocket } from '../../netlb/kernel/rtnetlink.js';
import {
  ContainerConfig,
  ContainerEndpoint,
  ContainerGoal,
  type ContainerHealth,
  ContainerInfo,
  ContainerNetwork,
  ContainerPhase,
  RunPhase,
  type StoredContainer,
  TaskState,
} from '../../proto/gen/index.js';
import { isHostMode } from '../../proto/ports.js';
import { taskLabels, taskName } from '../../proto/task-names.js';
import type { LocalTask } from '../agent/local-task.js';
import type { ContainerState } from '../executor/executor.js';
import type { ContainerCheck } from '../executor/health-check.js';
import type { ContainerFacts } from '../executor/interactive.js';
import { gatewayOf, networkMode } from './endpoints.js';

/** What is not on record of a container. */
export interface InfoContext {
  /** 0 unless it runs. */
  readonly pid: number;
  readonly facts: ContainerFacts | undefined;
  /** Its own and its image's, together. */
  readonly check: ContainerCheck | undefined;
  readonly health: ContainerHealth | undefined;
  /** File of its network namespace; empty without one. */
  readonly sandboxKey: string;
  /** CIDR on the gateway bridge; empty without one, or where it was not asked for. */
  readonly gatewayAddress: string;
}

function phaseOf({ phase, goal, startedAt, restartCount }: StoredContainer): ContainerPhase {
  if (phase === RunPhase.RUNNING) return ContainerPhase.RUNNING;
  if (goal === ContainerGoal.REMOVE) return ContainerPhase.REMOVING;
  if (goal === ContainerGoal.RUN && restartCount > 0) return ContainerPhase.RESTARTING;
  return startedAt === 0 ? ContainerPhase.CREATED : ContainerPhase.EXITED;
}

export function localInfo(
  record: StoredContainer,
  { pid, facts, check, health, sandboxKey, gatewayAddress }: InfoContext,
): ContainerInfo {
  return ContainerInfo.create({
    id: record.id,
    config: shown(record.config, check),
    createdAt: record.createdAt,
    phase: phaseOf(record),
    pid,
    startedAt: record.startedAt,
    finishedAt: record.phase === RunPhase.RUNNING ? 0 : record.finishedAt,
    exitCode: record.phase === RunPhase.RUNNING ? 0 : record.exitCode,
    oomKilled: record.oomKilled,
    error: record.error,
    restartCount: record.restartCount,
    imageId: record.imageId,
    sandboxKey: networkMode(record.config).kind === 'host' ? '' : sandboxKey,
    endpoints: record.endpoints.map(({ endpoint }) => endpoint),
    ports: record.ports,
    command: record.command,
    logPath: facts?.logPath ?? '',
    rootfs: facts?.rootfs ?? '',
    gatewayAddress,
    volumes: facts?.volumes ?? [],
    health,
  });
}

export function taskInfo(
  { task, status, networks }: LocalTask,
  state: ContainerState | undefined,
  { facts, check, health, sandboxKey, gatewayAddress }: InfoContext,
): ContainerInfo {
  const byId = new Map(networks.map((network) => [network.id, network]));
  const running = state?.status === 'running';
  const { container } = task.spec;
  return ContainerInfo.create({
    id: task.id,
    config: shown(
      ContainerConfig.create({
        name: taskName(task),
        container: { ...container, labels: { ...container.labels, ...taskLabels(task) } },
        resources: task.spec.resources,
        networks: task.networks.map(({ networkName, aliases }) =>
          ContainerNetwork.create({ network: networkName, aliases }),
        ),
        // Those of the mesh are its service's, and change without it.
        ports: task.endpoint.ports.filter(isHostMode),
        logDriver: task.spec.logDriver,
      }),
      check,
    ),
    createdAt: task.meta.createdAt,
    phase: running
      ? ContainerPhase.RUNNING
      : status.state >= TaskState.COMPLETE
        ? ContainerPhase.EXITED
        : ContainerPhase.CREATED,
    pid: state?.pid ?? 0,
    startedAt: state?.startedAt ?? 0,
    finishedAt: state?.exit?.finishedAt ?? 0,
    exitCode: state?.exit?.code ?? 0,
    oomKilled: state?.exit?.oomKilled ?? false,
    error: status.error,
    imageId: facts?.imageId ?? '',
    sandboxKey: running ? sandboxKey : '',
    endpoints: task.networks.map((attachment, index) => {
      const network = byId.get(attachment.networkId);
      return ContainerEndpoint.create({
        networkId: attachment.networkId,
        networkName: attachment.networkName || (network?.name ?? ''),
        driver: network?.driver || 'overlay',
        gateway: gatewayOf(network?.driver ?? '', network?.internal ?? false, attachment),
        interface: `eth${index}`,
        addresses: attachment.addresses,
        mac: attachment.mac,
        aliases: attachment.aliases,
        endpointId: `${task.id}${attachment.networkId}`,
      });
    }),
    ports: running ? status.portStatus.ports : [],
    taskId: task.id,
    serviceId: task.serviceId,
    serviceName: task.serviceName,
    command: facts?.command ?? [],
    logPath: facts?.logPath ?? '',
    rootfs: facts?.rootfs ?? '',
    gatewayAddress,
    volumes: facts?.volumes ?? [],
    health,
  });
}

/** With the check as it is done. What was given to reach a registry is nobody's to see. */
function shown(config: ContainerConfig, check: ContainerCheck | undefined): ContainerConfig {
  const healthcheck = check?.config ?? config.container.healthcheck;
  return { ...config, container: { ...config.container, healthcheck, registryAuth: '' } };
}

/** The address of a sandbox on the gateway bridge, as the kernel has it; empty when it has none, or is gone. */
export function gatewayAddressIn(namespaceFile: string, gatewayBridge: string): { address: string; mac: string } {
  const none = { address: '', mac: '' };
  let namespace: NetNamespace;
  try {
    namespace = NetNamespace.open(namespaceFile);
  } catch (error) {
    // Its file was removed, or was left without the namespace.
    if (isKernelError(error, 'ENOENT', 'EINVAL')) return none;
    throw error;
  }
  const socket = new RouteSocket(namespace);
  try {
    const subnet = parseCidr(gatewayBridge);
    const found = socket.addresses().find(({ cidr }) => contains(subnet, parseAddress(addressOf(cidr))));
    if (!found) return none;
    return { address: found.cidr, mac: socket.links().find(({ index }) => index === found.index)?.mac ?? '' };
  } finally {
    socket.close();
    namespace.close();
  }
}
