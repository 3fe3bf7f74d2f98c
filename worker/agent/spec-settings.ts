import { invalidArgument } from '../../lib/errors.js';
import {
  type ContainerSpec,
  type Mount,
  MountType,
  type ResourceRequirements,
  type VolumeOptions,
} from '../../proto/gen/index.js';
import type { ContainerMount, ContainerSettings, ContainerVolume } from '../executor/executor.js';
import type { Resolvers } from './resolv-conf.js';

/** What of a container follows from its description alone, be it a task's or one of this machine. */
export type SpecSettings = Omit<
  ContainerSettings,
  'id' | 'name' | 'hostname' | 'stdinOnce' | 'labels' | 'files' | 'dns' | 'log' | 'networkNamespace' | 'addresses'
>;

/**
 * @param expand of templates in texts
 * @throws INVALID_ARGUMENT for what this node cannot give it
 */
export function specSettings(
  container: ContainerSpec,
  resources: ResourceRequirements,
  expand: (text: string) => string = (text) => text,
): SpecSettings {
  return {
    image: container.image,
    registryAuth: container.registryAuth,
    entrypoint: container.entrypoint,
    args: container.args,
    env: container.env.map(expand),
    dir: container.dir,
    user: container.user,
    groups: container.groups,
    tty: container.tty,
    openStdin: container.openStdin,
    stopSignal: container.stopSignal,
    healthcheck: container.healthcheck,
    init: container.init ?? false,
    readOnly: container.readOnly,
    mounts: container.mounts.map((mount) => containerMount(mount, expand)),
    hosts: container.hosts,
    capabilityAdd: container.capabilityAdd,
    capabilityDrop: container.capabilityDrop,
    sysctls: container.sysctls,
    ulimits: container.ulimits,
    noNewPrivileges: container.privileges?.noNewPrivileges ?? false,
    oomScoreAdj: container.oomScoreAdj,
    devices: container.devices,
    resources: {
      ...resources.limits,
      memorySwapBytes: resources.memorySwapBytes,
      memorySwappiness: resources.memorySwappiness,
    },
  };
}

/** What is asked for, and for the rest what the machine has. */
export function dnsSettings({ dns }: ContainerSpec, resolvers: Resolvers): ContainerSettings['dns'] {
  return {
    nameservers: dns.nameservers.length > 0 ? dns.nameservers : resolvers.nameservers,
    search: dns.search.length > 0 ? dns.search : resolvers.search,
    options: dns.options.length > 0 ? dns.options : resolvers.options,
  };
}

function containerMount(mount: Mount, expand: (text: string) => string): ContainerMount {
  return {
    type: mountType(mount),
    source: expand(mount.source),
    target: expand(mount.target),
    readOnly: mount.readOnly,
    propagation: mount.propagation,
    nonRecursive: mount.nonRecursive,
    createMountpoint: mount.createMountpoint,
    tmpfsSizeBytes: mount.tmpfs?.sizeBytes ?? 0,
    tmpfsMode: mount.tmpfs?.mode ?? 0,
    tmpfsOptions: mount.tmpfs?.options ?? [],
    volume: mount.volume && containerVolume(mount.volume, expand),
  };
}

function containerVolume(volume: VolumeOptions, expand: (text: string) => string): ContainerVolume {
  const expanded = (texts: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, expand(text)]));
  return { ...volume, labels: expanded(volume.labels), driverOptions: expanded(volume.driverOptions) };
}

function mountType({ type, source, target }: Mount): ContainerMount['type'] {
  if (type === MountType.BIND) return 'bind';
  if (type === MountType.TMPFS) return 'tmpfs';
  if (type === MountType.VOLUME) return 'volume';
  throw invalidArgument(`cluster volume "${source}" at ${target}: this node cannot mount it`, {
    value: source,
    hint: 'Use a mount of type volume, bind or tmpfs.',
  });
}
