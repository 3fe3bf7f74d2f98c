import { bracketed } from '../../lib/ip.js';
import { type ContainerInfo, ContainerPhase } from '../../proto/gen/containers.js';
import { HealthState } from '../../proto/gen/objects.js';
import { type Mount, MountType, type PortConfig } from '../../proto/gen/specs.js';
import { protocolText } from '../../proto/ports.js';
import { humanDuration, shortId } from './human.js';
import type { ListView } from './list.js';

/** Rows of `ps`, with the fields that Docker's templates know them by. */
export type ContainerRow = ReturnType<typeof containerRow>;

const COMMAND_WIDTH = 20;
const IMAGE_ID = /^sha256:[0-9a-f]{64}$/;

/** @param now milliseconds since the epoch */
export function containerRow(info: ContainerInfo, now: number, truncate: boolean) {
  const { container, name } = info.config;
  const { labels } = container;
  const command = info.command.join(' ');
  return {
    ID: truncate ? shortId(info.id) : info.id,
    Image: imageText(container.image, truncate),
    Command: JSON.stringify(truncate ? ellipsis(command, COMMAND_WIDTH) : command),
    RunningFor: ago(now, info.createdAt),
    /** When it is asked for: the first name of a time zone costs as much as all the rest of a row. */
    get CreatedAt() {
      return localTime(info.createdAt);
    },
    Status: statusText(info, now),
    State: stateText(info.phase),
    Ports: portMappings(info.ports),
    Names: name,
    Networks: info.endpoints.map((endpoint) => endpoint.networkName).join(','),
    Mounts: container.mounts.map((mount) => mountText(mount, truncate)).join(','),
    LocalVolumes: String(container.mounts.filter((mount) => mount.type === MountType.VOLUME).length),
    Labels: Object.keys(labels)
      .sort()
      .map((key) => `${key}=${labels[key]}`)
      .join(','),
    Label: (key: unknown) => labels[String(key)] ?? '',
  };
}

export const containerView: ListView<ContainerRow> = {
  table: '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}',
  headers: {
    ID: 'CONTAINER ID',
    Image: 'IMAGE',
    Command: 'COMMAND',
    RunningFor: 'CREATED',
    CreatedAt: 'CREATED AT',
    Status: 'STATUS',
    State: 'STATE',
    Ports: 'PORTS',
    Names: 'NAMES',
    Networks: 'NETWORKS',
    Mounts: 'MOUNTS',
    LocalVolumes: 'LOCAL VOLUMES',
    Labels: 'LABELS',
  },
  quiet: (row) => row.ID,
};

function imageText(image: string, truncate: boolean): string {
  if (!truncate) return image;
  return IMAGE_ID.test(image) ? shortId(image) : image.replace(/@sha256:[0-9a-f]+$/, '');
}

function ellipsis(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}

function mountText({ type, source, target }: Mount, truncate: boolean): string {
  const text = type === MountType.TMPFS ? target : source;
  return truncate ? ellipsis(text, 15) : text;
}

function ago(now: number, since: number): string {
  return `${humanDuration(Math.max(0, now - since))} ago`;
}

const STATES: Readonly<Record<ContainerPhase, string>> = {
  [ContainerPhase.CREATED]: 'created',
  [ContainerPhase.RUNNING]: 'running',
  [ContainerPhase.EXITED]: 'exited',
  [ContainerPhase.RESTARTING]: 'restarting',
  [ContainerPhase.REMOVING]: 'removing',
};

export function stateText(phase: ContainerPhase): string {
  return STATES[phase];
}

/** `Up 3 minutes (healthy)`, `Exited (0) 2 hours ago`, `Created`. */
export function statusText(
  {
    phase,
    startedAt,
    finishedAt,
    exitCode,
    health,
  }: Pick<ContainerInfo, 'phase' | 'startedAt' | 'finishedAt' | 'exitCode' | 'health'>,
  now: number,
): string {
  switch (phase) {
    case ContainerPhase.CREATED:
      return 'Created';
    case ContainerPhase.RUNNING:
      return `Up ${humanDuration(Math.max(0, now - startedAt))}${HEALTH_TEXTS[health?.status ?? HealthState.NONE]}`;
    case ContainerPhase.RESTARTING:
      return `Restarting (${exitCode}) ${ago(now, finishedAt)}`;
    case ContainerPhase.REMOVING:
      return 'Removal In Progress';
    case ContainerPhase.EXITED:
      return `Exited (${exitCode}) ${ago(now, finishedAt)}`;
  }
}

const HEALTH_TEXTS: Readonly<Record<HealthState, string>> = {
  [HealthState.NONE]: '',
  [HealthState.STARTING]: ' (health: starting)',
  [HealthState.HEALTHY]: ' (healthy)',
  [HealthState.UNHEALTHY]: ' (unhealthy)',
};

/** The address of this machine that a port is published on. */
export function hostIpOf({ hostIp }: Pick<PortConfig, 'hostIp'>): string {
  return hostIp === '' ? '0.0.0.0' : hostIp;
}

/** `0.0.0.0:8080`; an IPv6 address stands in brackets. */
export function hostAddress(port: Pick<PortConfig, 'hostIp' | 'publishedPort'>): string {
  return `${bracketed(hostIpOf(port))}:${port.publishedPort}`;
}

/** `0.0.0.0:8080->80/tcp, 90/udp`; neighbours that are the same inside and outside as one: `0.0.0.0:80-82->80-82/tcp`. */
export function portMappings(ports: readonly PortConfig[]): string {
  const sorted = [...ports].sort(
    (a, b) => a.targetPort - b.targetPort || a.protocol - b.protocol || a.publishedPort - b.publishedPort,
  );
  const runs: PortConfig[][] = [];
  for (const port of sorted) {
    const run = runs.find((before) => continues(before.at(-1), port));
    if (run) run.push(port);
    else runs.push([port]);
  }
  return runs.map(runText).join(', ');
}

function continues(last: PortConfig | undefined, port: PortConfig): boolean {
  return (
    last !== undefined &&
    last.hostIp === port.hostIp &&
    last.protocol === port.protocol &&
    last.targetPort + 1 === port.targetPort &&
    [last, port].every((one) => one.publishedPort === 0 || one.publishedPort === one.targetPort) &&
    (last.publishedPort === 0) === (port.publishedPort === 0)
  );
}

function runText(run: readonly PortConfig[]): string {
  const [first] = run;
  const last = run.at(-1);
  if (!first || !last) return '';
  const rest = last === first ? '' : `-${last.targetPort}`;
  const inside = `${first.targetPort}${rest}/${protocolText(first.protocol)}`;
  return first.publishedPort === 0 ? inside : `${hostAddress(first)}${rest}->${inside}`;
}

/** `2026-11-28 12:13:38 +0100 CET`, as Go prints a time. */
function localTime(ms: number): string {
  const date = new Date(ms);
  const two = (n: number) => String(n).padStart(2, '0');
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time} ${zone} ${zoneName(date)}`;
}

function zoneName(date: Date): string {
  const parts = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(date);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? 'UTC';
}
