import { bracketed } from '../../lib/ip.js';
import type { ServiceCounts } from '../../proto/gen/control.js';
import type { Image } from '../../proto/gen/node.js';
import {
  type ManagerStatus,
  type Node,
  NodeStateName,
  ReachabilityName,
  type Service,
} from '../../proto/gen/objects.js';
import { NodeAvailabilityName, type PortConfig, PublishMode } from '../../proto/gen/specs.js';
import { protocolText } from '../../proto/ports.js';
import { NEVER } from './docker-common.js';
import { type AnyNetwork, driverOf, scopeOf } from './docker-network.js';
import { capitalize, humanDuration, humanSize, rfc3339, shortId } from './human.js';
import type { ListView } from './list.js';

/** Rows of the lists, with the fields that Docker's templates know them by. */

export type NodeRow = ReturnType<typeof nodeRow>;

export function nodeRow(node: Node, selfId: string) {
  const manager = node.managerStatus;
  return {
    ID: node.id,
    Self: node.id === selfId,
    Hostname: node.description.hostname,
    Status: capitalize(NodeStateName[node.status.state].toLowerCase()),
    Availability: capitalize(NodeAvailabilityName[node.spec.availability].toLowerCase()),
    ManagerStatus: manager ? managerWord(manager) : '',
    EngineVersion: node.description.engine.version,
    Address: node.status.address,
    Label: (key: unknown) => node.spec.labels[String(key)] ?? '',
  };
}

function managerWord({ leader, reachability }: ManagerStatus): string {
  return leader ? 'Leader' : capitalize(ReachabilityName[reachability].toLowerCase());
}

export const nodeView: ListView<NodeRow> = {
  table:
    '{{.ID}}{{if eq .Self true}} *{{end}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.ManagerStatus}}\t{{.EngineVersion}}',
  headers: {
    ID: 'ID',
    Self: 'SELF',
    Hostname: 'HOSTNAME',
    Status: 'STATUS',
    Availability: 'AVAILABILITY',
    ManagerStatus: 'MANAGER STATUS',
    EngineVersion: 'ENGINE VERSION',
    Address: 'ADDRESS',
  },
  quiet: (row) => row.ID,
};

export type ServiceRow = ReturnType<typeof serviceRow>;

/** @param now milliseconds since the epoch */
export function serviceRow(service: Service, counts: ServiceCounts | undefined, now: number) {
  const next = service.jobStatus?.nextExecution ?? 0;
  return {
    ID: shortId(service.id),
    Name: service.spec.name,
    Mode: modeOf(service),
    Replicas: replicasOf(service, counts, now),
    NextRun: next === 0 ? '' : rfc3339(next),
    Image: service.spec.task.container.image.replace(/@.*$/, ''),
    Ports: portsText(service.endpoint.ports.filter((port) => port.publishMode === PublishMode.INGRESS)),
    Label: (key: unknown) => service.spec.labels[String(key)] ?? '',
  };
}

export function modeOf({ spec }: Pick<Service, 'spec'>): string {
  if (spec.global) return 'global';
  if (spec.replicatedJob) return 'replicated job';
  return spec.globalJob ? 'global job' : 'replicated';
}

function replicasOf({ spec, jobStatus }: Service, counts: ServiceCounts | undefined, now: number): string {
  const { running = 0, desired = 0, completed = 0 } = counts ?? {};
  const ratio = `${running}/${desired}`;
  const total = spec.replicatedJob?.totalCompletions ?? desired + completed;
  const next = jobStatus?.nextExecution ?? 0;
  const later = next === 0 ? '' : `, next ${untilText(next, now)}`;
  if (spec.replicatedJob || spec.globalJob) return `${ratio} (${completed}/${total} completed${later})`;
  const max = spec.task.placement.maxReplicas;
  const { autoscale } = spec;
  const limits = [
    ...(autoscale ? [`${autoscale.min} to ${autoscale.max} by load`] : []),
    ...(max > 0 ? [`max ${max} per node`] : []),
  ];
  return limits.length > 0 ? `${ratio} (${limits.join(', ')})` : ratio;
}

/** `in 5 minutes`. */
function untilText(at: number, now: number): string {
  return at <= now ? 'now' : `in ${humanDuration(at - now).replace(/^./, (c) => c.toLowerCase())}`;
}

export const serviceView: ListView<ServiceRow> = {
  table: '{{.ID}}\t{{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}',
  headers: {
    ID: 'ID',
    Name: 'NAME',
    Mode: 'MODE',
    Replicas: 'REPLICAS',
    Image: 'IMAGE',
    Ports: 'PORTS',
    NextRun: 'NEXT RUN',
  },
  quiet: (row) => row.ID,
};

/** `*:8080->80/tcp`; neighbouring ports as one range: `*:8000-8002->80-82/tcp`. */
export function portsText(ports: readonly PortConfig[]): string {
  const sorted = [...ports].sort((a, b) => a.protocol - b.protocol || a.publishedPort - b.publishedPort);
  const runs: PortConfig[][] = [];
  for (const port of sorted) {
    const last = runs.at(-1)?.at(-1);
    const follows =
      last?.protocol === port.protocol &&
      last.hostIp === port.hostIp &&
      last.publishedPort + 1 === port.publishedPort &&
      last.targetPort + 1 === port.targetPort;
    if (follows) runs.at(-1)?.push(port);
    else runs.push([port]);
  }
  return runs.map(runText).join(', ');
}

function runText(run: readonly PortConfig[]): string {
  const [first] = run;
  const last = run.at(-1);
  if (!first || !last) return '';
  const range = (from: number, to: number) => (from === to ? `${from}` : `${from}-${to}`);
  const host = first.hostIp === '' ? '*' : bracketed(first.hostIp);
  const published = range(first.publishedPort, last.publishedPort);
  return `${host}:${published}->${range(first.targetPort, last.targetPort)}/${protocolText(first.protocol)}`;
}

export type NetworkRow = ReturnType<typeof networkRow>;

export function networkRow({ id, spec, createdAt }: AnyNetwork, truncate: boolean) {
  return {
    ID: truncate ? shortId(id) : id,
    Name: spec.name,
    Driver: driverOf(spec),
    Scope: scopeOf(spec),
    IPv4: String(!spec.disableIpv4),
    IPv6: String(spec.ipv6),
    Internal: String(spec.internal),
    CreatedAt: createdAt === 0 ? NEVER : rfc3339(createdAt),
    Labels: Object.entries(spec.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Label: (key: unknown) => spec.labels[String(key)] ?? '',
  };
}

export const networkView: ListView<NetworkRow> = {
  table: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
  headers: {
    ID: 'NETWORK ID',
    Name: 'NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    IPv4: 'IPV4',
    IPv6: 'IPV6',
    Internal: 'INTERNAL',
    CreatedAt: 'CREATED AT',
    Labels: 'LABELS',
  },
  quiet: (row) => row.ID,
};

export type ImageRow = ReturnType<typeof imageRow>;

/** @param name one of the image's names, or empty */
export function imageRow(image: Image, name: string, now: number, truncate: boolean) {
  const [named = '', digest] = name.split('@');
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const bareName = hasTag ? named.slice(0, colon) : named;
  const isTagged = name !== '' && digest === undefined;
  return {
    ID: truncate ? shortId(image.id) : image.id,
    Repository: bareName || '<none>',
    Tag: !isTagged ? '<none>' : hasTag ? named.slice(colon + 1) : 'latest',
    Digest: image.digest || '<none>',
    CreatedSince: image.createdAt === 0 ? 'N/A' : `${humanDuration(now - image.createdAt)} ago`,
    CreatedAt: rfc3339(image.createdAt),
    Size: humanSize(image.sizeBytes),
  };
}

export const imageView: ListView<ImageRow> = {
  table: '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}',
  headers: {
    ID: 'IMAGE ID',
    Repository: 'REPOSITORY',
    Tag: 'TAG',
    Digest: 'DIGEST',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    Size: 'SIZE',
  },
  quiet: (row) => row.ID,
};
