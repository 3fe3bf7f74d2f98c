import { closeSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { errnoOf, invalidArgument } from '../../../lib/errors.js';
import { ANONYMOUS_LABEL } from '../../../lib/volumes.js';
import { isKernelError } from '../../../netlb/kernel/errors.js';
import { bindMount, isMountPoint, unmountBelow } from '../../../netlb/kernel/mounts.js';
import { VolumeSpec } from '../../../proto/gen/index.js';
import { newVolumeName, type Volumes } from '../../volumes/volumes.js';
import type { ContainerMount } from '../executor.js';
import type { HeldVolume } from '../interactive.js';
import type { Container } from './container/container.js';
import type { ContainerFolder } from './container/folder.js';
import { ContainerRoot, statOf } from './container/root.js';

type Held = Pick<Container, 'id' | 'folder' | 'prepared'>;

/** What the volumes of a container are made from. */
export interface VolumeWishes {
  readonly mounts: readonly ContainerMount[];
  /** Paths that its image declares to be volumes. */
  readonly declared: readonly string[];
  /** The image's root filesystem. */
  readonly rootfs: string;
}

/** The volumes of containers, from their preparation to their removal. */
export class ContainerVolumes {
  readonly #volumes: Volumes;

  constructor(volumes: Volumes) {
    this.#volumes = volumes;
  }

  /**
   * Makes what is not there, fills what is empty, and has it all mounted.
   * @returns the volumes, and the mounts with those of volumes as binds
   * @throws INVALID_ARGUMENT, FAILED_PRECONDITION; what is held then is to be released
   */
  async provide({ id, folder, prepared: { name } }: Held, { mounts, declared, rootfs }: VolumeWishes) {
    const wanted = withVolumes(mounts, declared, newVolumeName);
    const anonymous = wanted.filter(isAnonymous).map(({ source }) => source);
    if (anonymous.length > 0) await writeFile(folder.anonymous, anonymous.join('\n'));
    const volumes: HeldVolume[] = [];
    const binds: ContainerMount[] = [];
    for (const mount of wanted) {
      if (mount.type !== 'volume') {
        binds.push(mount);
        continue;
      }
      const { source: volume, target, readOnly } = mount;
      const { noCopy = false, subpath = '' } = mount.volume ?? {};
      const source = await this.#volumes.hold({ id, name }, specOf(mount));
      const isFilled = !noCopy && subpath === '';
      await this.#volumes.activate(id, volume, isFilled ? { rootfs, path: target } : undefined);
      const held = { name: volume, target, source, subpath, readOnly };
      await mountSubpath(folder, held, volumes.length);
      binds.push({ ...mount, type: 'bind', source: subpath === '' ? source : subpathAt(folder, volumes.length) });
      volumes.push(held);
    }
    return { volumes, mounts: binds };
  }

  /** Before a start. @throws FAILED_PRECONDITION when one cannot be mounted, or is gone */
  async mount({ id, folder, prepared: { volumes } }: Held): Promise<void> {
    for (const [index, held] of volumes.entries()) {
      await this.#volumes.activate(id, held.name);
      await mountSubpath(folder, held, index);
    }
  }

  /** After the end of a run. */
  async rest(folder: ContainerFolder, id: string): Promise<void> {
    unmountBelow(folder.subpaths);
    await this.#volumes.deactivate(id);
  }

  /** Of a container that an earlier daemon has left. @param active it runs, or is about to */
  takeBack({ id, prepared: { name, volumes } }: Held, active: boolean): void {
    for (const held of volumes) this.#volumes.takeBack({ id, name }, held.name, active);
  }

  /** All containers are taken back. */
  settle(): void {
    this.#volumes.settle();
  }

  /** Of a container that is being removed; the anonymous ones that its folder names go with it. */
  async release(folder: ContainerFolder, id: string): Promise<void> {
    unmountBelow(folder.subpaths);
    await this.#volumes.release(id, await namesIn(folder.anonymous));
  }
}

/** Mounts with names for anonymous volumes, and with those that an image declares and no mount takes the place of. */
export function withVolumes(
  mounts: readonly ContainerMount[],
  declared: readonly string[],
  newName: () => string,
): readonly ContainerMount[] {
  const taken = new Set(mounts.map(({ target }) => cleanPath(target)));
  const missing = new Set(declared.map(cleanPath).filter((path) => !taken.has(path)));
  return [...mounts, ...[...missing].map(declaredMount)].map((mount) =>
    mount.type === 'volume' && mount.source === '' ? asAnonymous(mount, newName()) : mount,
  );
}

const cleanPath = (path: string): string => posix.normalize(path).replace(/(.)\/$/, '$1');

const isAnonymous = ({ type, volume }: ContainerMount): boolean =>
  type === 'volume' && Object.hasOwn(volume?.labels ?? {}, ANONYMOUS_LABEL);

function asAnonymous(mount: ContainerMount, source: string): ContainerMount {
  const { noCopy = false, labels = {}, driver = '', driverOptions = {}, subpath = '' } = mount.volume ?? {};
  const volume = { noCopy, labels: { ...labels, [ANONYMOUS_LABEL]: '' }, driver, driverOptions, subpath };
  return { ...mount, source, volume };
}

function declaredMount(target: string): ContainerMount {
  return {
    type: 'volume',
    source: '',
    target,
    readOnly: false,
    propagation: '',
    nonRecursive: false,
    createMountpoint: false,
    tmpfsSizeBytes: 0,
    tmpfsMode: 0,
  };
}

function specOf({ source, volume }: ContainerMount): VolumeSpec {
  const { labels = {}, driver = '', driverOptions = {} } = volume ?? {};
  return VolumeSpec.create({ name: source, labels, driver, driverOptions });
}

const subpathAt = ({ subpaths }: ContainerFolder, index: number): string => join(subpaths, String(index));

/**
 * The kernel resolves the path within the volume: a link that leads out of it leads nowhere. What is mounted is what
 * the path was then, whatever is put in its place.
 */
async function mountSubpath(
  folder: ContainerFolder,
  { name, source, subpath }: HeldVolume,
  index: number,
): Promise<void> {
  const target = subpathAt(folder, index);
  if (subpath === '' || isMountPoint(target)) return;
  const root = new ContainerRoot(source);
  try {
    const fd = await resolve(root, name, subpath);
    try {
      await mkdir(folder.subpaths, { recursive: true });
      if ((await statOf(fd)).isDirectory()) await mkdir(target, { recursive: true });
      else await writeFile(target, '');
      bindMount({ source: `/proc/self/fd/${fd}`, target, recursive: true });
    } finally {
      closeSync(fd);
    }
  } finally {
    root.close();
  }
}

async function resolve(root: ContainerRoot, name: string, subpath: string): Promise<number> {
  try {
    return await root.resolve(subpath, { follow: true });
  } catch (error) {
    if (!isKernelError(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    throw invalidArgument(`volume "${name}" has no path "${subpath}"`, {
      value: subpath,
      hint: 'Make it first, or leave volume-subpath out.',
      cause: error,
    });
  }
}

async function namesIn(file: string): Promise<readonly string[]> {
  try {
    return (await readFile(file, 'utf8')).split('\n').filter((name) => name !== '');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
