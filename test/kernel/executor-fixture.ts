import { execFileSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import { silentLogger } from '../../lib/log.js';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import { OciExecutor, OciImageStore } from '../../worker/executor/oci/index.js';
import { testSettings } from '../../worker/executor/oci/testing.js';
import { Volumes } from '../../worker/volumes/volumes.js';
import { foldersIn } from './executor-folders.js';

export const IMAGE = 'executor-test:busybox';
const APPLETS = ['sh', 'sleep', 'true', 'false', 'echo', 'cat', 'id', 'ls', 'mount', 'head', 'env', 'pwd', 'hostname'];
const MORE = [
  'kill',
  'test',
  'tr',
  'dd',
  'grep',
  'stat',
  'seq',
  'touch',
  'wc',
  'ip',
  'nslookup',
  'mkdir',
  'rm',
  'tail',
  'stty',
  'tty',
  'ln',
  'mv',
  'mkfifo',
  'mknod',
  'chown',
  'chmod',
];

/** A small root filesystem of Debian's static busybox, as a tar file. */
export async function busyboxTar(folder: string): Promise<string> {
  const root = join(folder, 'busybox');
  for (const name of ['bin', 'etc', 'tmp', 'root']) await mkdir(join(root, name), { recursive: true });
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of [...APPLETS, ...MORE]) await symlink('busybox', join(root, 'bin', applet));
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1000::/home/web:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nweb:x:1000:\nextra:x:2000:web\n');
  const tar = join(folder, 'busybox.tar');
  execFileSync('tar', ['-C', root, '-cf', tar, '.']);
  return tar;
}

export interface Ground {
  readonly folder: string;
  readonly images: OciImageStore;
  readonly executor: OciExecutor;
  readonly cgroupParent: string;
  open(): Promise<OciExecutor>;
  close(): Promise<void>;
}

/** An executor in folders of its own, with the busybox image. */
export async function openGround(): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'tsswarm-executor-'));
  const { dataRoot, runRoot, images: root } = foldersIn(folder);
  const cgroupParent = `/tsswarm-test-${process.pid}-${newId().slice(0, 6)}`;
  const images = await OciImageStore.open({ root, log: silentLogger });
  await images.import(createReadStream(await busyboxTar(folder)), {
    name: IMAGE,
    format: 'rootfs',
    changes: ['CMD ["sleep", "1000"]', 'ENV GREETING=hello'],
  });
  const tools = { log: silentLogger, clock: systemClock };
  const open = async () => {
    const volumes = await Volumes.open({ root: join(folder, 'volumes'), ...tools });
    return OciExecutor.open({ dataRoot, runRoot, images, volumes, cgroupParent, ...tools });
  };
  const executor = await open();
  return {
    folder,
    images,
    executor,
    cgroupParent,
    open,
    async close() {
      for (const { id } of await executor.list()) await executor.remove(id);
      await executor.close();
      await images.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A ground for the tests of one file, after which nothing of it may be left. */
export function useGround(opened: (ground: Ground) => void): void {
  let ground: Ground | undefined;
  beforeAll(async () => {
    ground = await openGround();
    opened(ground);
  });
  afterAll(async () => {
    if (!ground) return;
    await ground.close();
    expect(leftovers(ground)).toEqual([]);
  });
}

export function settings(fields: Partial<ContainerSettings> = {}): ContainerSettings {
  return testSettings({ id: newId(), image: IMAGE, ...fields });
}

export const sh = (script: string): Pick<ContainerSettings, 'args'> => ({ args: ['sh', '-c', script] });
export const never = new AbortController().signal;
export const everything = { follow: false, tail: undefined, since: 0, until: 0, stdout: true, stderr: true };

/** What is left of the tests' containers on this machine: mounts, cgroups and processes. */
export function leftovers({ folder, cgroupParent }: Pick<Ground, 'folder' | 'cgroupParent'>): string[] {
  const mounts = execFileSync('cat', ['/proc/self/mounts'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(folder));
  const cgroups = execFileSync('find', ['/sys/fs/cgroup', '-maxdepth', '2', '-name', cgroupParent.slice(1)], {
    encoding: 'utf8',
  });
  const processes = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(folder) && /conmon|crun|runc/.test(line));
  return [...mounts, ...cgroups.split('\n').filter((line) => line !== ''), ...processes];
}
