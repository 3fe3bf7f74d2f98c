import { failedPrecondition, invalidArgument } from '../../../../lib/errors.js';
import type { ContainerMount, ContainerResources, ContainerSettings } from '../../executor.js';
import type { ImageConfig } from '../images/config.js';
import { containerCapabilities } from './capabilities.js';
import type { HostFacts } from './host-facts.js';
import { containerRlimits } from './rlimits.js';
import { seccompProfile } from './seccomp.js';
import type { Spec, SpecDevice, SpecLinux, SpecMemory, SpecMount } from './spec-types.js';
import type { ContainerUser } from './users.js';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const CPU_PERIOD_US = 100_000;
/** Where the init process of `--init` is inside. */
const INIT = '/sbin/docker-init';

const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

export interface SpecInput {
  readonly settings: ContainerSettings;
  readonly image: ImageConfig;
  readonly user: ContainerUser;
  readonly host: HostFacts;
  readonly hostname: string;
  /** Mount point of the container's root filesystem. */
  readonly rootfs: string;
  readonly cgroupPath: string;
  /** Files of ours to show read-write in the container: /etc/hosts and the like. */
  readonly etc: readonly { readonly source: string; readonly target: string }[];
  /** Secrets and configs: read-only. */
  readonly files: readonly { readonly source: string; readonly target: string }[];
  /** For `settings.devices`, in their order, read from the node. */
  readonly devices: readonly SpecDevice[];
  /** The node's init program, when `settings.init` asks for one. */
  readonly initProgram: string;
}

/** The runtime's configuration of a container, and what could not be had as wished. */
export function buildSpec(input: SpecInput): { spec: Spec; warnings: string[] } {
  const { settings, image, user, host } = input;
  const capabilities = containerCapabilities(settings.capabilityAdd, settings.capabilityDrop, host.capabilities);
  // As with setuid(2) from root to another user: only what a program's file has can come back.
  const held = user.uid === 0 ? capabilities : [];
  const { rlimits, warnings } = containerRlimits(settings.ulimits, host);
  const oomScoreAdj = oomScore(settings, host, warnings);
  const spec: Spec = {
    ociVersion: '1.0.2',
    process: {
      terminal: settings.tty,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: processArgs(settings, image),
      env: processEnv(settings, image, input.hostname, user.home),
      cwd: settings.dir || image.workingDir || '/',
      capabilities: { bounding: capabilities, effective: held, permitted: held, inheritable: [], ambient: [] },
      rlimits,
      noNewPrivileges: settings.noNewPrivileges,
      ...(oomScoreAdj === 0 ? {} : { oomScoreAdj }),
    },
    root: { path: input.rootfs, readonly: settings.readOnly },
    hostname: input.hostname,
    mounts: mounts(input),
    annotations: settings.labels,
    linux: {
      cgroupsPath: input.cgroupPath,
      namespaces: namespaces(settings, host),
      resources: resources(input, warnings),
      devices: input.devices,
      sysctl: sysctls(settings),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
      ...(host.seccomp ? { seccomp: seccompProfile(host.architecture, capabilities) } : {}),
    },
  };
  return { spec, warnings };
}

/**
 * An entrypoint of the settings replaces the image's and makes its command void, one empty word takes
 * it away; arguments replace the image's command.
 */
export function processArgs(settings: ContainerSettings, image: Pick<ImageConfig, 'entrypoint' | 'cmd'>): string[] {
  const overridden = settings.entrypoint.length > 0;
  const isVoid = settings.entrypoint.length === 1 && settings.entrypoint[0] === '';
  const entrypoint = isVoid ? [] : overridden ? settings.entrypoint : image.entrypoint;
  const args = settings.args.length > 0 || overridden ? settings.args : image.cmd;
  const all = [...entrypoint, ...args];
  if (all.length === 0) {
    throw invalidArgument(`no command specified, and image ${settings.image} has none`, {
      value: settings.image,
      hint: 'Give a command after the image.',
    });
  }
  return settings.init ? [INIT, '--', ...all] : all;
}

/** Later entries win; a name without `=` takes a variable of the image away. */
export function processEnv(
  settings: ContainerSettings,
  image: Pick<ImageConfig, 'env'>,
  hostname: string,
  home: string,
): string[] {
  const base = [
    `PATH=${DEFAULT_PATH}`,
    `HOSTNAME=${hostname}`,
    ...(settings.tty ? ['TERM=xterm'] : []),
    `HOME=${home}`,
  ];
  const variables = new Map<string, string>();
  for (const entry of [...base, ...image.env, ...settings.env]) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables.set(entry.slice(0, equals), entry.slice(equals + 1));
    else variables.delete(entry);
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

function oomScore(settings: ContainerSettings, host: HostFacts, warnings: string[]): number {
  const { oomScoreAdj } = settings;
  if (!Number.isInteger(oomScoreAdj) || oomScoreAdj < -1000 || oomScoreAdj > 1000) {
    throw invalidArgument(`"${oomScoreAdj}" is not an OOM score adjustment`, {
      value: String(oomScoreAdj),
      hint: 'It is a whole number from -1000 to 1000.',
    });
  }
  if (oomScoreAdj >= host.oomScoreAdj || host.capabilities.has('CAP_SYS_RESOURCE')) return oomScoreAdj;
  if (oomScoreAdj !== 0) warnings.push(`OOM score adjustment ${oomScoreAdj} is left out: the daemon may not lower it`);
  return 0;
}

function namespaces(settings: ContainerSettings, host: HostFacts): SpecLinux['namespaces'] {
  return [
    ...['mount', 'pid', 'ipc', 'uts'].map((type) => ({ type })),
    ...(host.cgroup.version === 2 ? [{ type: 'cgroup' }] : []),
    ...(settings.networkNamespace === '' ? [] : [{ type: 'network', path: settings.networkNamespace }]),
  ];
}

function sysctls(settings: ContainerSettings): Readonly<Record<string, string>> {
  for (const name of Object.keys(settings.sysctls)) {
    if (name.startsWith('net.') && settings.networkNamespace === '') {
      throw invalidArgument(`sysctl ${name} cannot be set in the node's network namespace`, { value: name });
    }
    if (
      !/^(?:net\.|fs\.mqueue\.|kernel\.(?:msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)$)/.test(name)
    ) {
      throw invalidArgument(`sysctl ${name} is not a container's own`, {
        value: name,
        hint: 'Possible are net.*, fs.mqueue.* and kernel.{msg*,sem,shm*}.',
      });
    }
  }
  return settings.sysctls;
}

function resources({ settings, host, devices }: SpecInput, warnings: string[]): SpecLinux['resources'] {
  const { nanoCpus, pids } = settings.resources;
  const memory = memoryLimits(settings.resources, host, warnings);
  return {
    devices: [
      { allow: false, access: 'rwm' },
      ...devices.map(({ type, major, minor }, index) => ({
        allow: true,
        type,
        major,
        minor,
        access: settings.devices[index]?.permissions || 'rwm',
      })),
    ],
    ...(Object.keys(memory).length > 0 ? { memory } : {}),
    ...(nanoCpus > 0
      ? { cpu: { quota: Math.max(1000, Math.round((nanoCpus / 1e9) * CPU_PERIOD_US)), period: CPU_PERIOD_US } }
      : {}),
    ...(pids > 0 ? { pids: { limit: pids } } : {}),
  };
}

function memoryLimits(
  { memoryBytes, memorySwapBytes = memoryBytes, memorySwappiness }: ContainerResources,
  { cgroup }: HostFacts,
  warnings: string[],
): SpecMemory {
  const isSwappable = memorySwappiness !== undefined && memorySwappiness >= 0;
  if (isSwappable && cgroup.version === 2) {
    warnings.push(`memory swappiness ${memorySwappiness} is left out: cgroups of version 2 have none`);
  }
  // The specification's swap is memory and swap together; as much swap as memory is docker's default.
  const swap = memorySwapBytes < 0 ? -1 : memoryBytes + memorySwapBytes;
  return {
    ...(memoryBytes > 0 ? { limit: memoryBytes } : {}),
    ...(memoryBytes > 0 && cgroup.swapAccounting ? { swap } : {}),
    ...(isSwappable && cgroup.version === 1 ? { swappiness: memorySwappiness } : {}),
  };
}

const depth = (path: string): number => path.split('/').filter((part) => part !== '').length;

function mounts(input: SpecInput): SpecMount[] {
  const { settings, host } = input;
  if (settings.init && input.initProgram === '') {
    throw failedPrecondition('no init program on this node', { hint: 'Install one with: apt-get install catatonit' });
  }
  const bindFile = (source: string, target: string, mode: 'rw' | 'ro'): SpecMount => ({
    destination: target,
    type: 'bind',
    source,
    options: ['bind', 'rprivate', mode],
  });
  const ours = [
    ...input.etc.map(({ source, target }) => bindFile(source, target, settings.readOnly ? 'ro' : 'rw')),
    ...input.files.map(({ source, target }) => bindFile(source, target, 'ro')),
    ...(settings.init ? [bindFile(input.initProgram, INIT, 'ro')] : []),
  ];
  const users = settings.mounts.map(userMount);
  const taken = new Set(users.map(({ destination }) => destination));
  // A mount over a folder would hide what was mounted in it before: parents come first.
  return [
    ...systemMounts(host).filter(({ destination }) => !taken.has(destination)),
    ...[...users, ...ours.filter(({ destination }) => !taken.has(destination))].sort(
      (a, b) => depth(a.destination) - depth(b.destination),
    ),
  ];
}

/** What every container has mounted, whatever its settings. */
export function systemMounts(host: HostFacts): SpecMount[] {
  const safe = ['nosuid', 'noexec', 'nodev'];
  const mount = (destination: string, type: string, options: readonly string[], source = type): SpecMount => ({
    destination,
    type,
    source,
    options,
  });
  return [
    mount('/proc', 'proc', safe),
    mount('/dev', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', 'size=65536k']),
    mount('/dev/pts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
    mount('/sys', 'sysfs', [...safe, 'ro']),
    mount('/sys/fs/cgroup', 'cgroup', [...safe, 'relatime', 'ro']),
    ...(host.filesystems.has('mqueue') ? [mount('/dev/mqueue', 'mqueue', safe)] : []),
    mount('/dev/shm', 'tmpfs', [...safe, 'mode=1777', 'size=65536k'], 'shm'),
  ];
}

/** Of nosuid and suid and their like the last one, and only that: runtimes do not agree on what both mean. */
function tmpfsOptions(asked: readonly string[]): readonly string[] {
  const safe = ['nosuid', 'nodev', 'noexec'];
  const chosen = safe.map((no) => asked.findLast((option) => option === no || option === no.slice(2)) ?? no);
  const isFlag = (option: string) => safe.some((no) => option === no || option === no.slice(2));
  return [...chosen, ...asked.filter((option) => !isFlag(option))];
}

function userMount(mount: ContainerMount): SpecMount {
  const { type, source, target, readOnly } = mount;
  if (!target.startsWith('/') || target === '/') {
    throw invalidArgument(
      `invalid mount config for type "${type}": invalid mount path: '${target}' must be an absolute path`,
      {
        value: target,
        hint: 'The target is a path inside the container, other than /.',
      },
    );
  }
  const access = readOnly ? 'ro' : 'rw';
  if (type === 'tmpfs') {
    const size = mount.tmpfsSizeBytes > 0 ? [`size=${mount.tmpfsSizeBytes}`] : [];
    const mode = (mount.tmpfsMode || 0o1777).toString(8);
    return {
      destination: target,
      type: 'tmpfs',
      source: 'tmpfs',
      options: [...tmpfsOptions(mount.tmpfsOptions ?? []), access, `mode=${mode}`, ...size],
    };
  }
  const bind = mount.nonRecursive ? 'bind' : 'rbind';
  return { destination: target, type: 'bind', source, options: [bind, mount.propagation || 'rprivate', access] };
}
