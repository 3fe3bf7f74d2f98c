import {
  HealthState,
  HealthStateName,
  type JobStatus,
  type Node,
  NodeStateName,
  ReachabilityName,
  type Service,
  type Task,
  TaskStateName,
  UpdateState,
  UpdateStateName,
} from '../../proto/gen/objects.js';
import { type ClusterSpec, NodeAvailabilityName, NodeRoleName } from '../../proto/gen/specs.js';
import { dockerAutoscaleStatus } from './autoscale.js';
import { dockerAttachment, dockerMeta, dockerPort, nonBlank, nonEmpty, nonZero, problemsOf } from './docker-common.js';
import { dockerEndpointSpec, dockerServiceSpec, dockerTaskSpec, type SpecOptions } from './docker-spec.js';
import { goMap } from './go-print.js';
import { rfc3339 } from './human.js';

/** `GET /services/{id}`. */
export function dockerService(service: Service, options: SpecOptions) {
  const { endpoint, updateStatus: update, jobStatus: job } = service;
  return {
    ID: service.id,
    ...dockerMeta(service.meta),
    Spec: dockerServiceSpec(service.spec, options),
    PreviousSpec: service.previousSpec ? dockerServiceSpec(service.previousSpec, { defaults: false }) : undefined,
    Endpoint: {
      Spec: dockerEndpointSpec(service.spec.endpoint),
      Ports: nonEmpty(endpoint.ports.map(dockerPort)),
      VirtualIPs: nonEmpty(endpoint.virtualIps.map((ip) => ({ NetworkID: ip.networkId, Addr: ip.address }))),
    },
    UpdateStatus:
      update && update.state !== UpdateState.UNKNOWN
        ? {
            State: UpdateStateName[update.state].toLowerCase(),
            StartedAt: update.startedAt === 0 ? undefined : rfc3339(update.startedAt),
            CompletedAt: update.completedAt === 0 ? undefined : rfc3339(update.completedAt),
            Message: update.message,
          }
        : undefined,
    JobStatus: job
      ? {
          JobIteration: { Index: job.iteration },
          LastExecution: job.lastExecution === 0 ? undefined : rfc3339(job.lastExecution),
          ...dockerRuns(job),
        }
      : undefined,
    AutoscaleStatus: dockerAutoscaleStatus(service.autoscaleStatus),
    Problems: nonEmpty(service.problems),
  };
}

/** What Docker's jobs do not have: runs by a schedule, and how they ended. */
function dockerRuns({ nextExecution, runs, lastOutcome: last, lastSkipped: skipped }: JobStatus) {
  return {
    NextExecution: nextExecution === 0 ? undefined : rfc3339(nextExecution),
    Runs: nonEmpty(
      runs.map(({ iteration, dueAt, startedAt }) => ({
        JobIteration: { Index: iteration },
        DueAt: dueAt === 0 ? undefined : rfc3339(dueAt),
        StartedAt: rfc3339(startedAt),
      })),
    ),
    LastOutcome: last && {
      JobIteration: { Index: last.iteration },
      StartedAt: rfc3339(last.startedAt),
      EndedAt: rfc3339(last.endedAt),
      Completed: last.completed,
      Total: last.total,
      Message: last.message || undefined,
    },
    LastSkipped: skipped && { DueAt: rfc3339(skipped.dueAt), Reason: skipped.reason },
  };
}

/** `GET /nodes/{id}`. */
export function dockerNode(node: Node) {
  const { description, managerStatus: manager } = node;
  const { engine } = description;
  const plugins = [
    ...engine.logDrivers.map((Name) => ({ Type: 'Log', Name })),
    ...engine.networkDrivers.map((Name) => ({ Type: 'Network', Name })),
    ...engine.volumeDrivers.map((Name) => ({ Type: 'Volume', Name })),
  ];
  return {
    ID: node.id,
    ...dockerMeta(node.meta),
    Spec: {
      Name: nonBlank(node.spec.name),
      Labels: goMap(node.spec.labels),
      Role: NodeRoleName[node.spec.desiredRole].toLowerCase(),
      Availability: NodeAvailabilityName[node.spec.availability].toLowerCase(),
    },
    Description: {
      Hostname: description.hostname,
      Platform: { Architecture: description.platform.architecture, OS: description.platform.os },
      Resources: {
        NanoCPUs: description.resources.nanoCpus,
        MemoryBytes: description.resources.memoryBytes,
        GenericResources: nonEmpty(
          description.resources.generic.map(({ kind, value, named }) =>
            named === ''
              ? { DiscreteResourceSpec: { Kind: kind, Value: value } }
              : { NamedResourceSpec: { Kind: kind, Value: named } },
          ),
        ),
      },
      Engine: {
        EngineVersion: engine.version,
        Labels: Object.keys(engine.labels).length > 0 ? goMap(engine.labels) : undefined,
        Plugins: nonEmpty(plugins),
      },
    },
    Status: {
      State: NodeStateName[node.status.state].toLowerCase(),
      Message: nonBlank(node.status.message),
      Addr: node.status.address,
    },
    ManagerStatus: manager
      ? {
          Leader: manager.leader || undefined,
          Reachability: ReachabilityName[manager.reachability].toLowerCase(),
          Addr: manager.address,
        }
      : undefined,
    DataPathAddr: nonBlank(node.dataPathAddress),
    Problems: nonEmpty(problemsOf(node).map(({ subject, message }) => ({ Subject: subject, Message: message }))),
  };
}

/** `GET /tasks/{id}`. */
export function dockerTask(task: Task) {
  const { status } = task;
  const { container } = status;
  return {
    ID: task.id,
    ...dockerMeta(task.meta),
    Labels: goMap({}),
    Spec: dockerTaskSpec(task.spec, { defaults: false }),
    ServiceID: task.serviceId,
    Slot: nonZero(task.slot),
    NodeID: nonBlank(task.nodeId),
    Status: {
      Timestamp: rfc3339(status.timestamp),
      State: TaskStateName[status.state].toLowerCase(),
      Message: nonBlank(status.message),
      Err: nonBlank(status.error),
      ContainerStatus: container
        ? {
            ContainerID: container.containerId,
            PID: container.pid,
            ExitCode: container.exitCode ?? 0,
            OOMKilled: container.oomKilled || undefined,
          }
        : undefined,
      PortStatus: { Ports: nonEmpty(status.portStatus.ports.map(dockerPort)) },
      Health: status.health === HealthState.NONE ? undefined : HealthStateName[status.health].toLowerCase(),
    },
    DesiredState: TaskStateName[task.desiredState].toLowerCase(),
    NetworksAttachments: nonEmpty(task.networks.map(dockerAttachment)),
    JobIteration: task.jobIteration ? { Index: task.jobIteration.iteration } : undefined,
  };
}

/** `Spec` of `GET /swarm`. */
export function dockerClusterSpec(spec: ClusterSpec) {
  return {
    Name: spec.name,
    Labels: goMap(spec.labels),
    Orchestration: { TaskHistoryRetentionLimit: spec.taskHistoryLimit },
    Raft: {
      SnapshotInterval: spec.raft.snapshotInterval,
      KeepOldSnapshots: spec.raft.keepOldSnapshots ?? 0,
      LogEntriesForSlowFollowers: spec.raft.logEntriesForSlowFollowers,
      ElectionTick: spec.raft.electionTick,
      HeartbeatTick: spec.raft.heartbeatTick,
    },
    Dispatcher: { HeartbeatPeriod: spec.dispatcherHeartbeat },
    CAConfig: { NodeCertExpiry: nonZero(spec.ca.nodeCertificateExpiry) },
    TaskDefaults: {},
    EncryptionConfig: { AutoLockManagers: spec.autolockManagers },
  };
}
