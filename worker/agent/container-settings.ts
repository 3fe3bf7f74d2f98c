import { invalidArgument } from '../../lib/errors.js';
import { addressOf } from '../../lib/ip.js';
import { type FileReference, type Mount, MountType, type Task } from '../../proto/gen/index.js';
import type { ContainerFile, ContainerMount, ContainerSettings } from '../executor/executor.js';
import type { Assignments } from './assignments.js';
import type { Resolvers } from './resolv-conf.js';
import { expandTemplate, type TemplateNode, taskName } from './template.js';

/** What a container is made from besides its task. */
export interface SettingsContext {
  readonly node: TemplateNode;
  readonly resolvers: Resolvers;
  readonly networkNamespace: string;
  readonly files: Pick<Assignments, 'secrets' | 'configs'>;
}

/** Labels that say what a container is; a service's own labels cannot take their place. */
const LABEL_PREFIX = 'tsswarm.';
const DEFAULT_FILE_MODE = 0o444;

/**
 * The container of a task. Its id is the task's id, so that either is found from the other.
 * @throws INVALID_ARGUMENT for what this node cannot give it
 */
export function containerSettings(task: Task, context: SettingsContext): ContainerSettings {
  const { container, resources } = task.spec;
  const expand = (text: string) => expandTemplate(text, task, context.node);
  const { nameservers, search, options } = container.dns;
  return {
    id: task.id,
    name: taskName(task),
    image: container.image,
    registryAuth: container.registryAuth,
    entrypoint: container.entrypoint,
    args: container.args,
    env: container.env.map(expand),
    dir: container.dir,
    user: container.user,
    groups: container.groups,
    hostname: expand(container.hostname) || task.id.slice(0, 12),
    tty: container.tty,
    openStdin: container.openStdin,
    stdinOnce: false,
    stopSignal: container.stopSignal,
    init: container.init ?? false,
    readOnly: container.readOnly,
    labels: { ...container.labels, ...ownLabels(task) },
    mounts: container.mounts.map((mount) => containerMount(mount, expand)),
    files: [
      ...container.secrets.map((ref) => secretFile(ref, context)),
      ...container.configs.filter((ref) => !ref.runtime).map((ref) => configFile(ref, context)),
    ],
    hosts: container.hosts,
    dns: {
      nameservers: nameservers.length > 0 ? nameservers : context.resolvers.nameservers,
      search: search.length > 0 ? search : context.resolvers.search,
      options: options.length > 0 ? options : context.resolvers.options,
    },
    capabilityAdd: container.capabilityAdd,
    capabilityDrop: container.capabilityDrop,
    sysctls: container.sysctls,
    ulimits: container.ulimits,
    noNewPrivileges: container.privileges?.noNewPrivileges ?? false,
    oomScoreAdj: container.oomScoreAdj,
    devices: container.devices,
    resources: { ...resources.limits, memorySwapBytes: resources.memorySwapBytes },
    networkNamespace: context.networkNamespace,
    addresses: task.networks.flatMap(({ addresses }) => addresses.map(addressOf)),
  };
}

/** The secrets and configs of a task that have not arrived yet, in words. */
export function missingFiles(task: Task, files: Pick<Assignments, 'secrets' | 'configs'>): readonly string[] {
  const { secrets, configs } = task.spec.container;
  return [
    ...secrets.filter((ref) => !files.secrets.has(ref.id)).map((ref) => `secret "${ref.name}"`),
    ...configs.filter((ref) => !files.configs.has(ref.id)).map((ref) => `config "${ref.name}"`),
  ];
}

function ownLabels(task: Task): Readonly<Record<string, string>> {
  const labels = {
    task: '',
    'task.id': task.id,
    'task.name': taskName(task),
    'node.id': task.nodeId,
    'service.id': task.serviceId,
    'service.name': task.serviceName,
  };
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [`${LABEL_PREFIX}${name}`, value]));
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
  };
}

function mountType({ type, source, target }: Mount): ContainerMount['type'] {
  if (type === MountType.BIND) return 'bind';
  if (type === MountType.TMPFS) return 'tmpfs';
  throw invalidArgument(`volume "${source}" at ${target}: this node cannot mount volumes`, {
    value: source,
    hint: 'Use a mount of type bind or tmpfs.',
  });
}

function secretFile(ref: FileReference, { files }: SettingsContext): ContainerFile {
  const target = ref.target || ref.name;
  return fileOf(ref, target.startsWith('/') ? target : `/run/secrets/${target}`, files.secrets.get(ref.id)?.spec.data);
}

function configFile(ref: FileReference, { files }: SettingsContext): ContainerFile {
  const target = ref.target || ref.name;
  return fileOf(ref, target.startsWith('/') ? target : `/${target}`, files.configs.get(ref.id)?.spec.data);
}

function fileOf(ref: FileReference, target: string, data: Uint8Array | undefined): ContainerFile {
  if (!data) throw invalidArgument(`"${ref.name}" has not been given to this node`, { value: ref.name });
  return { target, data, uid: idOf(ref.uid), gid: idOf(ref.gid), mode: ref.mode || DEFAULT_FILE_MODE };
}

function idOf(text: string): number {
  if (text === '') return 0;
  if (!/^\d+$/.test(text)) throw invalidArgument(`"${text}" is not a numeric user or group id`, { value: text });
  return Number(text);
}
