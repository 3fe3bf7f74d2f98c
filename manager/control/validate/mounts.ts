import path from 'node:path';
import { invalidArgument } from '../../../lib/errors.js';
import { checkVolumeDriver, checkVolumeName } from '../../../lib/volumes.js';
import { type Mount, MountType } from '../../../proto/gen/index.js';

const PROPAGATIONS = new Set(['', 'rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave']);

/** @throws INVALID_ARGUMENT */
export function checkMounts(mounts: readonly Mount[]): void {
  const targets = new Set<string>();
  for (const mount of mounts) {
    checkMount(mount);
    const target = path.posix.normalize(mount.target).replace(/(.)\/$/, '$1');
    if (targets.has(target)) throw invalidArgument(`two mounts have the target ${target}`, { value: mount.target });
    targets.add(target);
  }
}

function checkMount(mount: Mount): void {
  const { type, source, target } = mount;
  if (!target.startsWith('/') || path.posix.normalize(target) === '/') {
    throw invalidArgument(`"${target}" cannot be the target of a mount`, {
      value: target,
      hint: 'A target is an absolute path in the container, other than /.',
    });
  }
  if (type === MountType.BIND && !source.startsWith('/')) {
    throw invalidArgument(`"${source}" cannot be the source of a bind mount`, {
      value: source,
      hint: 'A bind mount needs an absolute path on the node. For a volume, use type=volume.',
    });
  }
  if (type === MountType.VOLUME) {
    if (source !== '') checkVolumeName(source, { templates: true });
    checkVolumeDriver(mount.volume?.driver ?? '', mount.volume?.driverOptions ?? {});
  }
  if (type === MountType.TMPFS && source !== '') {
    throw invalidArgument(`a tmpfs mount has no source, but "${source}" was given`, { value: source });
  }
  if (type === MountType.CLUSTER) {
    throw invalidArgument(`mount ${target}: cluster volumes are not supported`, { value: target });
  }
  if (!PROPAGATIONS.has(mount.propagation) || (mount.propagation !== '' && type !== MountType.BIND)) {
    throw invalidArgument(`"${mount.propagation}" is not a propagation for the mount ${target}`, {
      value: mount.propagation,
      hint: 'Bind mounts take one of rprivate, private, rshared, shared, rslave, slave; others take none.',
    });
  }
  if ((mount.volume && type !== MountType.VOLUME) || (mount.tmpfs && type !== MountType.TMPFS)) {
    throw invalidArgument(`mount ${target} has options of another type of mount`, { value: target });
  }
}
