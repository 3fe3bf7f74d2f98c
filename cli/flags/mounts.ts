import { invalidArgument } from '../../lib/errors.js';
import { parseBytes } from '../../lib/units.js';
import { Mount, MountType, TmpfsOptions, VolumeOptions } from '../../proto/gen/specs.js';
import { booleanOf, csvFields, type KeyValue, keyValue, requiredValue, unexpectedKey } from './csv.js';

const TYPES: Readonly<Record<string, MountType>> = {
  bind: MountType.BIND,
  volume: MountType.VOLUME,
  tmpfs: MountType.TMPFS,
  cluster: MountType.CLUSTER,
};
const PROPAGATIONS = ['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave'];
const CONSISTENCIES = ['default', 'consistent', 'cached', 'delegated'];
interface Draft {
  mount: Mount;
  volume: VolumeOptions | undefined;
  tmpfs: TmpfsOptions | undefined;
}

/**
 * A value of `--mount`: `type=bind,source=/etc/hosts,target=/hosts,readonly`. The type is volume
 * when left out; a volume without a source is a new one for each task.
 * @throws INVALID_ARGUMENT that names the field that is wrong
 */
export function parseMount(text: string): Mount {
  const draft: Draft = {
    mount: Mount.create({ type: MountType.VOLUME }),
    volume: undefined,
    tmpfs: undefined,
  };
  for (const field of csvFields(text)) apply(draft, keyValue(field));
  check(draft, text);
  return { ...draft.mount, volume: draft.volume, tmpfs: draft.tmpfs };
}

function oneOf(field: KeyValue, allowed: readonly string[]): string {
  const value = requiredValue(field);
  if (!allowed.includes(value))
    throw invalidArgument(`"${value}" is not a value of ${field.key}`, {
      value,
      hint: `Allowed: ${allowed.join(', ')}.`,
    });
  return value;
}

function pair(field: KeyValue): Record<string, string> {
  const text = requiredValue(field);
  const equals = text.indexOf('=');
  return equals < 0 ? { [text]: '' } : { [text.slice(0, equals)]: text.slice(equals + 1) };
}

function fileMode(field: KeyValue): number {
  const text = requiredValue(field);
  if (!/^[0-7]{1,4}$/.test(text))
    throw invalidArgument(`"${text}" is not a file mode`, { value: text, hint: 'A mode is octal, as in 1777.' });
  return Number.parseInt(text, 8);
}

type Setter = (draft: Draft, field: KeyValue) => void;

const onMount =
  (fields: (field: KeyValue) => Partial<Mount>): Setter =>
  (draft, field) => {
    draft.mount = { ...draft.mount, ...fields(field) };
  };
const onVolume =
  (fields: (field: KeyValue, before: VolumeOptions) => Partial<VolumeOptions>): Setter =>
  (draft, field) => {
    const before = draft.volume ?? VolumeOptions.create();
    draft.volume = { ...before, ...fields(field, before) };
  };
const onTmpfs =
  (fields: (field: KeyValue) => Partial<TmpfsOptions>): Setter =>
  (draft, field) => {
    draft.tmpfs = { ...(draft.tmpfs ?? TmpfsOptions.create()), ...fields(field) };
  };

const SETTERS: Readonly<Record<string, Setter>> = {
  type: onMount((field) => ({ type: TYPES[oneOf(field, Object.keys(TYPES))] ?? MountType.VOLUME })),
  source: onMount((field) => ({ source: requiredValue(field) })),
  target: onMount((field) => ({ target: requiredValue(field) })),
  readonly: onMount((field) => ({ readOnly: booleanOf(field) })),
  consistency: onMount((field) => ({ consistency: oneOf(field, CONSISTENCIES) })),
  'bind-propagation': onMount((field) => ({ propagation: oneOf(field, PROPAGATIONS) })),
  'bind-nonrecursive': onMount((field) => ({ nonRecursive: booleanOf(field) })),
  'bind-create-mountpoint': onMount((field) => ({ createMountpoint: booleanOf(field) })),
  'volume-driver': onVolume((field) => ({ driver: requiredValue(field) })),
  'volume-opt': onVolume((field, { driverOptions }) => ({ driverOptions: { ...driverOptions, ...pair(field) } })),
  'volume-label': onVolume((field, { labels }) => ({ labels: { ...labels, ...pair(field) } })),
  'volume-nocopy': onVolume((field) => ({ noCopy: booleanOf(field) })),
  'volume-subpath': onVolume((field) => ({ subpath: requiredValue(field) })),
  'tmpfs-size': onTmpfs((field) => ({ sizeBytes: parseBytes(requiredValue(field)) })),
  'tmpfs-mode': onTmpfs((field) => ({ mode: fileMode(field) })),
};
const SHORT_KEYS: Readonly<Record<string, string>> = {
  src: 'source',
  dst: 'target',
  destination: 'target',
  ro: 'readonly',
};

function apply(draft: Draft, field: KeyValue): void {
  const setter = SETTERS[SHORT_KEYS[field.key] ?? field.key];
  if (!setter) throw unexpectedKey(field.key, Object.keys(SETTERS));
  setter(draft, field);
}

function check({ mount, volume, tmpfs }: Draft, text: string): void {
  const refuse = (reason: string, hint: string) => {
    throw invalidArgument(reason, { value: text, hint });
  };
  const { type } = mount;
  const hasBindOptions = mount.propagation !== '' || mount.nonRecursive || mount.createMountpoint;
  if (!mount.target.startsWith('/'))
    refuse(
      mount.target === '' ? 'the target is missing' : `the target "${mount.target}" is not an absolute path`,
      'Add target=/PATH, the path in the container.',
    );
  if (type === MountType.BIND && !mount.source.startsWith('/'))
    refuse(
      mount.source === '' ? 'the source of a bind mount is missing' : `the source "${mount.source}" is not absolute`,
      'Add source=/PATH, a path on the node.',
    );
  if (type === MountType.TMPFS && mount.source !== '')
    refuse('a tmpfs mount has no source', 'Leave source out, or use type=bind or type=volume.');
  if (volume && type !== MountType.VOLUME) refuse('volume-* options need type=volume', 'Leave them out.');
  if (tmpfs && type !== MountType.TMPFS) refuse('tmpfs-* options need type=tmpfs', 'Leave them out.');
  if (hasBindOptions && type !== MountType.BIND) refuse('bind-* options need type=bind', 'Leave them out.');
}
