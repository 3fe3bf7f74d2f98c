import { invalidArgument } from '../../lib/errors.js';
import { logSettings } from '../../lib/log-drivers.js';
import { parseBytes } from '../../lib/units.js';
import { ContainerConfig } from '../../proto/gen/containers.js';
import {
  ContainerSpec,
  LogDriver,
  type Mount,
  type PortConfig as Port,
  PortConfig,
  Privileges,
  PublishMode,
  ResourceLimits,
  ResourceRequirements,
} from '../../proto/gen/specs.js';
import { isHostMode } from '../../proto/ports.js';
import { goDuration } from '../format/human.js';
import { containerNetworks } from './endpoints.js';
import { badFlag, type Flags, inFlag } from './flags.js';
import { applyHealthFlags } from './health.js';
import { parseMount } from './mounts.js';
import { parsePublish } from './ports.js';
import { refuseUnsupported } from './refused.js';
import { fileLines, parseEnv, parseEnvFile, parseHost, parsePair, parseUlimit } from './values.js';
import { parseDevice, parseTmpfs, parseVolume } from './volumes.js';

/** What the flags of `run` refer to outside the command line. */
export interface RunSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The texts of the files of `--env-file`. */
  readonly envFiles: readonly string[];
  /** The texts of the files of `--label-file`. */
  readonly labelFiles: readonly string[];
  /** The folder that relative paths begin at. */
  readonly folder: string;
}

const STREAMS = ['stdin', 'stdout', 'stderr'] as const;
type Stream = (typeof STREAMS)[number];

/**
 * The container that `run` and `create` describe.
 * @throws INVALID_ARGUMENT that names the flag and value
 */
export function containerConfig(
  image: string,
  args: readonly string[],
  flags: Flags,
  sources: RunSources,
): ContainerConfig {
  refuseUnsupported(flags);
  if (image === '')
    throw invalidArgument('invalid reference format', { value: image, hint: 'Give the name of an image.' });
  const restart = restartPolicy(flags);
  if (flags.on('rm') && restart.restart !== 'no' && restart.restart !== '')
    throw invalidArgument('conflicting options: cannot specify both --restart and --rm');
  return {
    ...ContainerConfig.create(),
    ...restart,
    name: flags.text('name') ?? '',
    container: containerSpec(image, args, flags, sources),
    resources: resources(flags),
    networks: containerNetworks(flags),
    ports: publishedPorts(flags),
    publishAll: flags.on('publish-all'),
    autoRemove: flags.on('rm'),
    attachStdin: attachedStreams(flags).has('stdin'),
    logDriver: logDriver(flags),
  };
}

/** Which of our streams `run` connects: those of `-a`, or else all, input only with `-i`; none with `-d`. */
export function attachedStreams(flags: Flags): ReadonlySet<Stream> {
  const asked = flags.each('attach', (text) => {
    const stream = STREAMS.find((name) => name === text.toLowerCase());
    if (stream === undefined) throw invalidArgument('valid streams are STDIN, STDOUT and STDERR');
    return stream;
  });
  if (flags.on('detach')) {
    if (asked.length > 0) throw invalidArgument('conflicting options: cannot specify both --attach and --detach');
    return new Set();
  }
  if (asked.length > 0) return new Set(asked);
  return new Set(flags.on('interactive') ? STREAMS : (['stdout', 'stderr'] as const));
}

function containerSpec(image: string, args: readonly string[], flags: Flags, sources: RunSources): ContainerSpec {
  const entrypoint = flags.text('entrypoint');
  const timeout = flags.integer('stop-timeout', -1);
  return ContainerSpec.create({
    image,
    args,
    // An empty one takes the image's away; its command goes with it.
    entrypoint: entrypoint === undefined ? [] : [entrypoint],
    env: environment(flags, sources),
    dir: flags.text('workdir') ?? '',
    user: flags.text('user') ?? '',
    groups: flags.list('group-add'),
    hostname: flags.text('hostname') ?? '',
    tty: flags.on('tty'),
    openStdin: flags.on('interactive'),
    init: flags.boolean('init'),
    readOnly: flags.on('read-only'),
    stopSignal: flags.text('stop-signal') ?? '',
    stopGracePeriod: timeout === undefined ? undefined : timeout < 0 ? FOR_EVER : timeout * 1e9,
    labels: labels(flags, sources),
    healthcheck: applyHealthFlags(undefined, flags),
    mounts: mounts(flags, sources),
    hosts: flags.each('add-host', parseHost),
    dns: {
      nameservers: flags.list('dns'),
      search: flags.list('dns-search').filter((domain) => domain !== '.'),
      options: [...flags.list('dns-option'), ...flags.list('dns-opt')],
    },
    capabilityAdd: flags.list('cap-add').map(capability),
    capabilityDrop: flags.list('cap-drop').map(capability),
    sysctls: Object.fromEntries(flags.each('sysctl', sysctl)),
    ulimits: flags.each('ulimit', parseUlimit),
    privileges: privileges(flags),
    oomScoreAdj: flags.integer('oom-score-adj', -1000, 1000) ?? 0,
    devices: flags.each('device', parseDevice),
  });
}

/** Nanoseconds that no container takes to stop. */
const FOR_EVER = Number.MAX_SAFE_INTEGER;

/** Later ones replace those before them of the same name; files come first. */
function environment(flags: Flags, { env, envFiles }: RunSources): string[] {
  const variables = [
    ...envFiles.flatMap((text) => parseEnvFile(text, env)),
    ...flags.each('env', (v) => parseEnv(v, env)).flat(),
  ];
  return [...new Map(variables.map((variable) => [variable.split('=', 1)[0], variable])).values()];
}

function labels(flags: Flags, { labelFiles }: RunSources): Record<string, string> {
  const ofFiles = labelFiles.flatMap((text) => fileLines(text).map(parsePair));
  return Object.fromEntries([...ofFiles, ...flags.each('label', parsePair)]);
}

function mounts(flags: Flags, { folder }: RunSources): Mount[] {
  const all = [
    ...flags.each('volume', (text) => parseVolume(text, folder)),
    ...flags.each('mount', parseMount),
    ...flags.each('tmpfs', parseTmpfs),
  ];
  const twice = all.find((mount, i) => all.findIndex((other) => other.target === mount.target) !== i);
  if (twice) throw invalidArgument(`Duplicate mount point: ${twice.target}`, { value: twice.target });
  return all;
}

function capability(text: string): string {
  const name = text.toUpperCase();
  return name === 'ALL' || name.startsWith('CAP_') ? name : `CAP_${name}`;
}

function sysctl(text: string): readonly [string, string] {
  const pair = parsePair(text);
  if (!text.includes('='))
    throw invalidArgument(`sysctl '${text}' is not allowed`, {
      value: text,
      hint: 'It looks like net.core.somaxconn=1024.',
    });
  return pair;
}

function privileges(flags: Flags): Privileges | undefined {
  const options = flags.each('security-opt', (text) => {
    if (/^no-new-privileges(?:[:=](?:true|false))?$/.test(text)) return !text.endsWith('false');
    throw invalidArgument('it cannot be set', { value: text, hint: 'There is no-new-privileges.' });
  });
  const last = options.at(-1);
  return last === undefined ? undefined : Privileges.create({ noNewPrivileges: last });
}

function resources(flags: Flags): ResourceRequirements {
  const memoryBytes = flags.bytes('memory') ?? 0;
  const pids = flags.integer('pids-limit', -1);
  return {
    ...ResourceRequirements.create(),
    limits: ResourceLimits.create({
      nanoCpus: flags.cpus('cpus') ?? 0,
      memoryBytes,
      pids: Math.max(0, pids ?? 0),
    }),
    memorySwapBytes: swapBytes(flags.text('memory-swap') ?? '0', memoryBytes),
    memorySwappiness: flags.integer('memory-swappiness', 0, 100),
  };
}

/** Here the limit is that of memory and swap together; 0 leaves it open. */
function swapBytes(text: string, memoryBytes: number): number | undefined {
  if (text === '-1') return -1;
  const total = inFlag('memory-swap', text, parseBytes);
  if (total === 0) return undefined;
  if (memoryBytes === 0) throw badFlag('memory-swap', text, 'it needs a limit of memory', 'Give --memory too.');
  if (total < memoryBytes)
    throw badFlag('memory-swap', text, 'it is memory and swap together, and less than the memory');
  return total - memoryBytes;
}

function restartPolicy(flags: Flags): Pick<ContainerConfig, 'restart' | 'restartMaxAttempts'> {
  const text = flags.text('restart') ?? '';
  const [restart = '', attempts, ...more] = text.split(':');
  const isKnown = ['', 'no', 'always', 'unless-stopped', 'on-failure'].includes(restart);
  if (!isKnown || more.length > 0)
    throw badFlag('restart', text, 'no such policy', 'Policies: no, on-failure[:max-retries], always, unless-stopped.');
  if (attempts === undefined) return { restart, restartMaxAttempts: 0 };
  if (restart !== 'on-failure')
    throw badFlag(
      'restart',
      text,
      "maximum retry count cannot be used with restart policy 'always' or 'unless-stopped'",
    );
  if (!/^\d{1,9}$/.test(attempts)) throw badFlag('restart', text, 'maximum retry count must be an integer');
  return { restart, restartMaxAttempts: Number(attempts) };
}

/** Ports of `-p`, and those of `--expose` when all of these are published. */
function publishedPorts(flags: Flags): Port[] {
  const published = flags
    .list('publish')
    .flatMap((text) => inFlag('publish', text, (value) => parsePublish(value, PublishMode.HOST).map(hostPort)));
  const exposed = flags.each('expose', parseExpose).flat();
  if (!flags.on('publish-all')) return published;
  const isPublished = (port: Port) =>
    published.some((other) => other.targetPort === port.targetPort && other.protocol === port.protocol);
  return [...published, ...exposed.filter((port) => !isPublished(port))];
}

function hostPort(port: Port): Port {
  if (!isHostMode(port))
    throw invalidArgument('a container publishes on its own machine only', {
      value: 'mode=ingress',
      hint: 'Leave mode=ingress out.',
    });
  const spread = [
    ...(port.scheduler === '' ? [] : [`scheduler=${port.scheduler}`]),
    ...(port.affinityTimeout === 0 ? [] : [`affinity=${goDuration(port.affinityTimeout)}`]),
  ].join(',');
  if (spread !== '')
    throw invalidArgument(`${spread}: all connections to a container's port go to that container`, {
      value: spread,
      hint: 'Leave scheduler and affinity out, or publish the port of a service.',
    });
  return port;
}

function parseExpose(text: string): Port[] {
  if (text.includes(':') || text.includes('='))
    throw invalidArgument(`invalid port format for --expose: ${text}`, { value: text, hint: 'It looks like 80/tcp.' });
  return parsePublish(text).map((port) => PortConfig.create({ ...port, publishMode: PublishMode.HOST }));
}

function logDriver(flags: Flags): LogDriver | undefined {
  const options = flags.each('log-opt', parsePair);
  const name = flags.text('log-driver');
  if (name === undefined && options.length === 0) return undefined;
  const driver = LogDriver.create({ name: name ?? '', options: Object.fromEntries(options) });
  logSettings(driver.name, driver.options);
  return driver;
}
