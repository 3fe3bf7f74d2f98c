import { invalidArgument } from '../../lib/errors.js';
import { hasLabel, predicate, type Test } from '../../lib/filters.js';
import {
  type ContainerFilter,
  type ContainerInfo,
  ContainerPhase,
  ContainerPhaseName,
  HealthState,
  HealthStateName,
  type LocalNetwork,
} from '../../proto/gen/index.js';
import { protocolText } from '../../proto/ports.js';

/** "80", "80/tcp" or "80-90/tcp" among a container's ports. */
function hasPort({ ports }: ContainerInfo, filter: string, side: 'publishedPort' | 'targetPort'): boolean {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(filter);
  if (!match)
    throw invalidArgument(`"${filter}" is not a port`, { value: filter, hint: 'It looks like 80 or 80/tcp.' });
  const [, from = '', to = from, protocol = 'tcp'] = match;
  return ports.some(
    (port) => protocolText(port.protocol) === protocol && port[side] >= Number(from) && port[side] <= Number(to),
  );
}

const STATES = Object.values(ContainerPhaseName).map((name) => name.toLowerCase());

const HEALTHS = Object.values(HealthStateName).map((name) => name.toLowerCase());

const CONTAINER_TESTS: Readonly<Record<string, Test<ContainerInfo>>> = {
  id: ({ id }, value) => id.startsWith(value),
  name: ({ config }, value) => config.name.includes(value.replace(/^\//, '')),
  label: ({ config }, value) => hasLabel(config.container.labels, value),
  status: ({ phase }, value) => {
    if (!STATES.includes(value)) {
      throw invalidArgument(`invalid filter 'status=${value}'`, { value, hint: `It is one of ${STATES.join(', ')}.` });
    }
    return ContainerPhaseName[phase].toLowerCase() === value;
  },
  network: ({ endpoints }, value) =>
    endpoints.some(({ networkId, networkName }) => networkName === value || networkId.startsWith(value)),
  ancestor: ({ config, imageId }, value) => {
    const { image } = config.container;
    const id = imageId.replace(/^sha256:/, '');
    return image === value || image.split(':')[0] === value || id.startsWith(value.replace(/^sha256:/, ''));
  },
  volume: ({ volumes, config }, value) =>
    volumes.some(({ name, target }) => name === value || target === value) ||
    config.container.mounts.some(({ source, target }) => source === value || target === value),
  exited: ({ phase, exitCode }, value) => phase === ContainerPhase.EXITED && String(exitCode) === value,
  health: ({ health }, value) => {
    if (!HEALTHS.includes(value)) {
      throw invalidArgument(`invalid filter 'health=${value}'`, { value, hint: `It is one of ${HEALTHS.join(', ')}.` });
    }
    return HealthStateName[health?.status ?? HealthState.NONE].toLowerCase() === value;
  },
  publish: (info, value) => hasPort(info, value, 'publishedPort'),
  expose: (info, value) => hasPort(info, value, 'targetPort'),
};

const NETWORK_TESTS: Readonly<Record<string, Test<LocalNetwork>>> = {
  id: ({ id }, value) => id.startsWith(value),
  name: ({ spec }, value) => spec.name.includes(value),
  label: ({ spec }, value) => hasLabel(spec.labels, value),
  driver: ({ spec }, value) => spec.driver === value,
  scope: ({ spec }, value) => spec.scope === value,
  type: ({ spec }, value) => {
    const builtin = ['bridge', 'host', 'none', 'ingress', 'swarm_gwbridge'].includes(spec.name);
    if (value !== 'builtin' && value !== 'custom') {
      throw invalidArgument(`invalid filter 'type=${value}'`, { value, hint: 'It is custom or builtin.' });
    }
    return builtin === (value === 'builtin');
  },
};

/** @throws INVALID_ARGUMENT for a filter that is not known */
export const containerTest = (filters: readonly ContainerFilter[]) => predicate(filters, CONTAINER_TESTS);
export const networkTest = (filters: readonly ContainerFilter[]) => predicate(filters, NETWORK_TESTS);

/** Whether those that do not run are asked for, though not by `all`. */
export const asksForStopped = (filters: readonly ContainerFilter[]): boolean =>
  filters.some(({ key }) => key === 'status' || key === 'exited');
