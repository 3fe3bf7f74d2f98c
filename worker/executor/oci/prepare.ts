import { chmod, chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname as nodeName } from 'node:os';
import { join } from 'node:path';
import { errnoOf, failedPrecondition, invalidArgument, messageOf } from '../../../lib/errors.js';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, mountOverlay, mountTmpfs } from '../../../netlb/kernel/mounts.js';
import type { ContainerFile, ContainerMount, ContainerSettings } from '../executor.js';
import type { ContainerFolder } from './container/folder.js';
import type { HostFacts } from './container/host-facts.js';
import { readInside } from './container/inside.js';
import { hostsFile, type Names, resolvFile } from './container/network-files.js';
import { buildSpec, processArgs } from './container/spec.js';
import type { SpecDevice } from './container/spec-types.js';
import { resolveUser } from './container/users.js';
import { deviceOf } from './copy/facts.js';
import { exists } from './images/rootfs.js';
import type { AcquiredImage } from './images/store.js';

export interface PrepareInput {
  readonly settings: ContainerSettings;
  readonly folder: ContainerFolder;
  readonly image: AcquiredImage;
  readonly host: HostFacts;
  readonly cgroupPath: string;
  readonly initProgram: string;
}

export interface PreparedBundle {
  readonly hostname: string;
  /** Entrypoint and arguments. */
  readonly command: readonly string[];
  /** What could not be had as wished. */
  readonly warnings: readonly string[];
}

/**
 * Fills a container's folder: the runtime's configuration, the files we make for it, and its root
 * filesystem, mounted. Fails before it mounts anything where the settings are at fault.
 */
export async function prepareBundle(input: PrepareInput): Promise<PreparedBundle> {
  const { settings, folder, image, host } = input;
  const [passwd, group, devices] = await Promise.all([
    readInside(image.rootfs, '/etc/passwd'),
    readInside(image.rootfs, '/etc/group'),
    Promise.all(settings.devices.map(readDevice)),
  ]);
  for (const mount of settings.mounts) await checkSource(mount);
  const hostname = settings.hostname || (settings.networkNamespace === '' ? nodeName() : settings.id.slice(0, 12));
  const { spec, warnings } = buildSpec({
    settings,
    image: image.config,
    user: resolveUser(settings.user || image.config.user, settings.groups, passwd, group),
    host,
    hostname,
    rootfs: folder.rootfs,
    cgroupPath: input.cgroupPath,
    etc: ['hosts', 'hostname', 'resolv.conf'].map((name) => ({
      source: join(folder.etc, name),
      target: `/etc/${name}`,
    })),
    files: settings.files.map((file, index) => ({ source: join(folder.files, String(index)), target: inside(file) })),
    devices,
    initProgram: input.initProgram,
  });
  await makeFolders(folder);
  await Promise.all([writeEtc(folder, settings, hostname), writeFile(folder.config, JSON.stringify(spec))]);
  await writeFiles(folder, settings.files);
  await mountRoot(folder, image.rootfs);
  return { hostname, command: processArgs({ ...settings, init: false }, image.config), warnings };
}

async function makeFolders(folder: ContainerFolder): Promise<void> {
  const { rootfs, upper, work, etc, logs } = folder;
  await Promise.all([rootfs, upper, work, etc, logs].map((path) => mkdir(path, { recursive: true })));
}

/**
 * For a container that was mounted before: with its upper layer as it is, and a new work folder, as a volatile mount's
 * cannot be used a second time.
 * @throws FAILED_PRECONDITION when its image is gone
 */
export async function remountRoot(folder: ContainerFolder, lower: string): Promise<void> {
  if (!(await exists(lower))) {
    throw failedPrecondition(`the root filesystem of the container's image is gone: ${lower}`, {
      value: lower,
      hint: 'The image was removed by force. Create a new container.',
    });
  }
  await rm(folder.work, { recursive: true, force: true });
  await mkdir(folder.work);
  mountLayers(folder, lower);
}

async function mountRoot(folder: ContainerFolder, lower: string): Promise<void> {
  // The upper layer's root stands for the merged one: it must look like the image's.
  const { mode, uid, gid } = await stat(lower);
  await chmod(folder.upper, mode & 0o7777);
  await chown(folder.upper, uid, gid);
  mountLayers(folder, lower);
}

/**
 * Nothing waits for the disk, not even a container's own fsync: what it wrote to its layer shortly before a crash of
 * the machine may be lost. What has to outlast that belongs on a mount.
 */
function mountLayers({ path, upper, work, rootfs: target }: ContainerFolder, lower: string): void {
  try {
    mountOverlay({ lower: [lower], upper, work, target, volatile: true });
  } catch (error) {
    throw failedPrecondition(`overlayfs does not work on ${path}: ${messageOf(error)}`, {
      value: path,
      hint: 'Put the data folder on ext4 or xfs (with ftype=1), and load the overlay module: modprobe overlay.',
      cause: error,
    });
  }
}

async function writeEtc(folder: ContainerFolder, settings: ContainerSettings, hostname: string): Promise<void> {
  await Promise.all([writeNames(folder, settings, hostname), writeFile(join(folder.etc, 'hostname'), `${hostname}\n`)]);
}

/** In place: a running container has the files themselves mounted. */
export async function writeNames(folder: ContainerFolder, names: Names, hostname: string): Promise<void> {
  const [hosts, resolv] = await Promise.all([readOrEmpty('/etc/hosts'), readOrEmpty('/etc/resolv.conf')]);
  await Promise.all([
    writeFile(join(folder.etc, 'hosts'), hostsFile(names, hostname, hosts)),
    writeFile(join(folder.etc, 'resolv.conf'), resolvFile(names, resolv)),
  ]);
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}

/** Secrets never touch a disk: they are on a tmpfs of the container's own, of just their size. */
async function writeFiles(folder: ContainerFolder, files: readonly ContainerFile[]): Promise<void> {
  if (files.length === 0) return;
  await mkdir(folder.files, { recursive: true });
  const pages = files.reduce((sum, { data }) => sum + Math.ceil(data.length / 4096) + 1, 1);
  mountTmpfs({
    target: folder.files,
    size: `${pages * 4}k`,
    mode: 0o700,
    flags: MS_NOSUID | MS_NODEV | MS_NOEXEC,
  });
  for (const [index, { data, uid, gid, mode }] of files.entries()) {
    const path = join(folder.files, String(index));
    await writeFile(path, data, { mode: 0o400 });
    await chown(path, uid, gid);
    await chmod(path, mode & 0o7777);
  }
}

function inside({ target }: ContainerFile): string {
  if (target.startsWith('/') && target !== '/') return target;
  throw invalidArgument(`"${target}" cannot be the path of a secret or config`, {
    value: target,
    hint: 'It must be absolute.',
  });
}

async function checkSource({ type, source, createMountpoint }: ContainerMount): Promise<void> {
  if (type !== 'bind') return;
  const bad = (why: string) => invalidArgument(`invalid mount config for type "bind": ${why}`, { value: source });
  if (!source.startsWith('/')) throw bad(`invalid mount path: '${source}' must be an absolute path`);
  if (createMountpoint) await mkdir(source, { recursive: true });
  try {
    await stat(source);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw bad(`bind source path does not exist: ${source}`);
    throw bad(messageOf(error));
  }
}

/** A device of the node, as the runtime makes it in the container. */
async function readDevice(device: ContainerSettings['devices'][number]): Promise<SpecDevice> {
  const { hostPath, containerPath } = device;
  const bad = (why: string) => invalidArgument(`device ${hostPath} ${why}`, { value: hostPath });
  const facts = await stat(hostPath).catch((error: unknown) => {
    throw bad(`cannot be used: ${messageOf(error)}`);
  });
  if (!facts.isCharacterDevice() && !facts.isBlockDevice()) throw bad('is no device');
  const { major, minor } = deviceOf(facts);
  return {
    path: containerPath || hostPath,
    type: facts.isCharacterDevice() ? 'c' : 'b',
    major,
    minor,
    fileMode: facts.mode & 0o777,
    uid: facts.uid,
    gid: facts.gid,
  };
}
