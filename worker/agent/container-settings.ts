import { invalidArgument } from '../../lib/errors.js';
import { addressOf } from '../../lib/ip.js';
import { logSettings } from '../../lib/log-drivers.js';
import type { FileReference, Task } from '../../proto/gen/index.js';
import { taskLabels, taskName } from '../../proto/task-names.js';
import type { ContainerFile, ContainerSettings } from '../executor/executor.js';
import type { Assignments } from './assignments.js';
import { type Resolvers, resolverSettings } from './resolv-conf.js';
import { specSettings } from './spec-settings.js';
import { expandTemplate, type TemplateNode } from './template.js';

/** What a container is made from besides its task. */
export interface SettingsContext {
  readonly node: TemplateNode;
  readonly resolvers: Resolvers;
  readonly networkNamespace: string;
  readonly files: Pick<Assignments, 'secrets' | 'configs'>;
}

const DEFAULT_FILE_MODE = 0o444;

/**
 * The container of a task. Its id is the task's id, so that either is found from the other.
 * @throws INVALID_ARGUMENT for what this node cannot give it
 */
export function containerSettings(task: Task, context: SettingsContext): ContainerSettings {
  const { container, resources } = task.spec;
  const expand = (text: string) => expandTemplate(text, task, context.node);
  return {
    ...specSettings(container, resources, expand),
    id: task.id,
    name: taskName(task),
    hostname: expand(container.hostname) || task.id.slice(0, 12),
    stdinOnce: false,
    labels: { ...container.labels, ...taskLabels(task) },
    files: [
      ...container.secrets.map((ref) => secretFile(ref, context)),
      ...container.configs.filter((ref) => !ref.runtime).map((ref) => configFile(ref, context)),
    ],
    dns: resolverSettings(container.dns, context.resolvers),
    log: logSettings(task.spec.logDriver?.name ?? '', task.spec.logDriver?.options ?? {}),
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
