import { type InfoResponse, SwarmState, SwarmStateName } from '../../proto/gen/node.js';
import type { KernelFeature, Node } from '../../proto/gen/objects.js';
import { type ClusterSpec, NodeRoleName } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { dockerClusterSpec } from '../format/docker-objects.js';
import { humanBytes, humanDuration, naturalOrder } from '../format/human.js';
import { renderInspectedOne } from '../format/list.js';
import { type PrettyLine, prettyLines } from '../format/pretty.js';

export async function showInfo(context: Context, flags: Flags): Promise<void> {
  const info = await (await context.agent()).info({});
  const format = flags.text('format');
  context.io.out(format === undefined ? infoText(info) : renderInspectedOne(dockerInfo(info), format));
}

/** The part of Docker's `GET /info` that holds here. */
function dockerInfo(info: InfoResponse) {
  const { description } = info;
  return {
    ID: info.nodeId,
    Name: description.hostname,
    ServerVersion: info.version,
    Containers: info.containersTotal,
    ContainersRunning: info.containersRunning,
    ContainersStopped: info.containersTotal - info.containersRunning,
    Images: info.images,
    NCPU: description.resources.nanoCpus / 1e9,
    MemTotal: description.resources.memoryBytes,
    OSType: description.platform.os,
    Architecture: description.platform.architecture,
    DefaultRuntime: description.engine.runtime,
    DataRoot: info.dataRoot,
    RunRoot: info.runRoot,
    Pid: info.pid,
    DaemonMemory: info.memoryRssBytes,
    Features: description.features.map(({ name, available, detail }) => ({
      Name: name,
      Available: available,
      Detail: detail,
    })),
    Problems: info.problems.map(({ subject, message }) => ({ Subject: subject, Message: message })),
    Swarm: {
      NodeID: info.nodeId,
      NodeAddr: info.advertiseAddress.replace(/:\d+$/, ''),
      LocalNodeState: SwarmStateName[info.state].toLowerCase(),
      ControlAvailable: info.controlAvailable,
      Error: info.error,
      RemoteManagers: info.managers.map((Addr) => ({ Addr })),
      Nodes: info.nodes,
      Managers: info.managerCount,
      Role: NodeRoleName[info.role].toLowerCase(),
      ClusterID: info.clusterId,
      DataPathAddr: info.dataPathAddress,
      DataPathPort: info.dataPathPort,
      DefaultAddrPool: info.defaultAddressPools,
      SubnetSize: info.subnetSize,
      Cluster: info.spec && { ID: info.clusterId, Spec: dockerClusterSpec(info.spec) },
    },
  };
}

function infoText(info: InfoResponse): string {
  const { description } = info;
  const { engine, resources, platform } = description;
  const missing = description.features.filter((feature) => !feature.available);
  return prettyLines([
    ['Server Version', info.version],
    ['Name', description.hostname],
    ['Containers', info.containersTotal],
    ['Running', info.containersRunning, 1],
    ['Stopped', info.containersTotal - info.containersRunning, 1],
    ['Images', info.images],
    ['Runtime', engine.runtime || undefined],
    ['Balancer', engine.balancer || undefined],
    ...swarmLines(info),
    ['OSType', platform.os],
    ['Architecture', platform.architecture],
    ['CPUs', resources.nanoCpus / 1e9],
    ['Total Memory', humanBytes(resources.memoryBytes)],
    ['Data Root', info.dataRoot],
    ['Run Root', info.runRoot],
    ['Daemon', `pid ${info.pid}, ${humanBytes(info.memoryRssBytes)} resident`],
    ['Missing here', missing.length > 0 ? '' : undefined],
    ...missing.map((feature: KernelFeature): PrettyLine => [feature.name, feature.meaning, 1]),
    ['Problems', info.problems.length > 0 ? '' : undefined],
    ...info.problems.map((problem: Node['problems'][number]): PrettyLine => [problem.subject, problem.message, 1]),
  ]);
}

function swarmLines(info: InfoResponse): PrettyLine[] {
  const lines: PrettyLine[] = [
    ['Swarm', SwarmStateName[info.state].toLowerCase()],
    ['Error', info.error || undefined, 1],
  ];
  if (info.state === SwarmState.INACTIVE) return lines;
  return [
    ...lines,
    ['NodeID', info.nodeId, 1],
    ['Is Manager', String(info.controlAvailable), 1],
    ['ClusterID', info.clusterId || undefined, 1],
    ['Managers', info.controlAvailable ? info.managerCount : undefined, 1],
    ['Nodes', info.controlAvailable ? info.nodes : undefined, 1],
    ['Default Address Pool', info.defaultAddressPools.join(' ') || undefined, 1],
    ['SubnetSize', info.subnetSize || undefined, 1],
    ['Data Path Port', info.dataPathPort || undefined, 1],
    ...(info.spec ? clusterLines(info.spec) : []),
    ['Node Address', info.advertiseAddress, 1],
    ['Data Path', info.dataPathAddress || undefined, 1],
    ['Manager Addresses', info.managers.length > 0 ? '' : undefined, 1],
    ...[...info.managers].sort(naturalOrder).map((address): PrettyLine => ['', address, 2]),
  ];
}

/** What managers keep to, in Docker's words. */
function clusterLines({ taskHistoryLimit, autoRebalance, raft, dispatcherHeartbeat }: ClusterSpec): PrettyLine[] {
  return [
    ['Orchestration', '', 1],
    ['Task History Retention Limit', taskHistoryLimit, 2],
    ['Automatic Rebalance', autoRebalance ? 'true' : undefined, 2],
    ['Raft', '', 1],
    ['Snapshot Interval', raft.snapshotInterval, 2],
    ['Number of Old Snapshots to Retain', raft.keepOldSnapshots ?? 0, 2],
    ['Heartbeat Tick', raft.heartbeatTick, 2],
    ['Election Tick', raft.electionTick, 2],
    ['Dispatcher', '', 1],
    ['Heartbeat Period', humanDuration(dispatcherHeartbeat / 1e6), 2],
  ];
}
