import { execFileSync } from 'node:child_process';
import { createReadStream, readdirSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { silentLogger } from '../../lib/log.js';
import { OciImageStore } from '../../worker/executor/oci/images/store.js';
import { busyboxTar, never } from './executor-fixture.js';

let folder: string;
let tar: string;
let store: OciImageStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsswarm-images-'));
  tar = await busyboxTar(folder);
  store = await OciImageStore.open({ root: join(folder, 'images'), log: silentLogger });
});

afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const rootfs = { name: '', format: '' as const, changes: [] };
const skopeoReads = (name: string) =>
  execFileSync('skopeo', ['inspect', `oci:${folder}/images:docker.io/library/${name}`], { encoding: 'utf8' });

it('images - an index that cannot be read is set aside, and images can be had again', async () => {
  const root = join(folder, 'damaged');
  const first = await OciImageStore.open({ root, log: silentLogger });
  await first.import(createReadStream(tar), { ...rootfs, name: 'busybox' });
  await first.close();
  await writeFile(join(root, 'index.json'), '{"schemaVersion"');
  const again = await OciImageStore.open({ root, log: silentLogger });
  onTestFinished(() => again.close());
  expect(await again.list()).toEqual([]);
  expect(await readFile(join(root, 'index.json.unreadable'), 'utf8')).toBe('{"schemaVersion"');
  await again.import(createReadStream(tar), { ...rootfs, name: 'busybox' });
  expect((await again.list()).map(({ names }) => names)).toEqual([['busybox:latest']]);
});

describe('images - import', () => {
  it('takes a root filesystem with changes', async () => {
    const image = await store.import(createReadStream(tar), { ...rootfs, name: 'busybox', changes: ['CMD ["true"]'] });
    expect(image.names).toEqual(['busybox:latest']);
    expect(image.id).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(image.platform.os).toBe('linux');
    expect(image.sizeBytes).toBeGreaterThan(1_000_000);
    expect(await store.find('docker.io/library/busybox')).toEqual(image);
    expect(await store.find(image.id.slice(7, 19))).toEqual(image);
    expect(await store.find(image.digest)).toEqual(image);
    expect(await store.find('busybox:1')).toBeUndefined();
  });

  it('takes compressed archives of every kind', async () => {
    for (const [program, suffix] of [
      ['gzip', 'gz'],
      ['xz', 'xz'],
      ['zstd', 'zst'],
      ['bzip2', 'bz2'],
    ] as const) {
      execFileSync('sh', ['-c', `${program} -c ${tar} > ${tar}.${suffix}`]);
      const image = await store.import(createReadStream(`${tar}.${suffix}`), {
        ...rootfs,
        name: `compressed:${suffix}`,
      });
      expect(image.names).toEqual([`compressed:${suffix}`]);
    }
  });

  it('takes OCI and docker archives under the names they have', async () => {
    const oci = join(folder, 'oci.tar');
    const docker = join(folder, 'docker.tar');
    // skopeo adds to no docker archive that is there: what an attempt before this one has left.
    for (const file of [oci, docker]) rmSync(file, { force: true });
    const from = `oci:${folder}/images:docker.io/library/busybox:latest`;
    execFileSync('skopeo', ['copy', from, `oci-archive:${oci}:localhost/from-oci:1`], { stdio: 'pipe' });
    execFileSync('skopeo', ['copy', from, `docker-archive:${docker}:from-docker:2`], { stdio: 'pipe' });
    const a = await store.import(createReadStream(oci), rootfs);
    expect(a.names).toContain('localhost/from-oci:1');
    expect(a.names).toContain('busybox:latest');
    const b = await store.import(createReadStream(docker), { ...rootfs, format: 'docker-archive' });
    expect(b.names).toContain('from-docker:2');
    const c = await store.import(createReadStream(docker), { ...rootfs, name: 'renamed' });
    expect(c.names).toContain('renamed:latest');
    await expect(store.import(createReadStream(oci), { ...rootfs, format: 'rootfs' })).rejects.toThrow(
      'the archive is no rootfs but a oci-archive',
    );
  });

  it('takes the uncompressed layers of a docker archive that a store has nothing of', async () => {
    const empty = await OciImageStore.open({ root: join(folder, 'empty'), log: silentLogger });
    onTestFinished(() => empty.close());
    await empty.import(createReadStream(join(folder, 'docker.tar')), rootfs);
    const holder = await mkdtemp(join(folder, 'container-'));
    const { rootfs: unpacked } = await empty.acquire('from-docker:2', holder, { registryAuth: '', signal: never });
    expect(readdirSync(unpacked)).toContain('bin');
  });

  it('refuses bytes that are no archive', async () => {
    async function* bytes() {
      yield Buffer.from('this is not an image'.repeat(100));
    }
    await expect(store.import(bytes(), rootfs)).rejects.toThrow('the bytes are not a tar archive');
    async function* zeros() {
      yield Buffer.alloc(10_240);
    }
    await expect(store.import(zeros(), rootfs)).rejects.toThrow('the archive is empty');
  });

  it('leaves no temporary files', () => {
    const [own, ...others] = readdirSync(join(folder, 'images/tmp'));
    expect(others).toEqual([]);
    expect(readdirSync(join(folder, 'images/tmp', own ?? ''))).toEqual(['lock']);
  });
});

describe('images - names', () => {
  it('moves a name to the newer image, and keeps the older without', async () => {
    const old = await store.import(createReadStream(tar), { ...rootfs, name: 'moving' });
    const fresh = await store.import(createReadStream(tar), { ...rootfs, name: 'moving', changes: ['ENV A=1'] });
    expect((await store.find('moving'))?.id).toBe(fresh.id);
    expect((await store.find(old.id))?.names).toEqual([]);
    expect(await store.remove(old.id, false)).toEqual([`Deleted: ${old.id}`]);
    expect(await store.find(old.id)).toBeUndefined();
    expect(skopeoReads('moving:latest')).toContain('A=1');
  });

  it('removes a name first and the image with the last one', async () => {
    const image = await store.find('busybox');
    expect(await store.remove('localhost/from-oci:1', false)).toEqual(['Untagged: localhost/from-oci:1']);
    expect(await store.find('busybox')).toBeDefined();
    const names = image?.names.filter((name) => name !== 'localhost/from-oci:1') ?? [];
    for (const name of names) await store.remove(name, false);
    expect(await store.find(image?.id ?? '')).toBeUndefined();
    await expect(store.remove('busybox', false)).rejects.toThrow('No such image: busybox');
  });
});

describe('images - use', () => {
  it('keeps an image that a container uses', async () => {
    const image = await store.import(createReadStream(tar), { ...rootfs, name: 'used' });
    const holder = await mkdtemp(join(folder, 'container-'));
    const acquired = await store.acquire('used', holder, { registryAuth: '', signal: never });
    expect(acquired.image.id).toBe(image.id);
    expect(readdirSync(acquired.rootfs)).toContain('bin');
    await expect(store.remove('used', false)).rejects.toThrow(
      'image used:latest cannot be removed: a container uses it',
    );
    expect(await store.remove('used', true)).toEqual(['Untagged: used:latest']);
    expect(readdirSync(acquired.rootfs)).toContain('bin');
    await store.release(holder);
    expect(await store.remove(image.id, false)).toEqual([`Deleted: ${image.id}`]);
  });

  it('says what is missing when there is no such image', async () => {
    const options = { registryAuth: '', signal: never };
    await expect(store.acquire('localhost/nope', folder, options)).rejects.toThrow('No such image: localhost/nope');
    await expect(store.acquire('127.0.0.1:1/nope:3', folder, options)).rejects.toThrow(
      /^No such image: 127.0.0.1:1\/nope:3 \(not on this node; registry 127.0.0.1:1 cannot be reached: connection refused/,
    );
    await expect(store.acquire('Bad Name', folder, options)).rejects.toThrow('invalid reference format');
  });
});

describe('images - several stores on one folder', () => {
  it('see each other’s images at once and import side by side', async () => {
    const other = await OciImageStore.open({ root: join(folder, 'images'), log: silentLogger });
    try {
      await Promise.all(
        [store, other, store, other].map((each, i) =>
          each.import(createReadStream(tar), { ...rootfs, name: `side-by-side:${i}`, changes: [`ENV N=${i % 2}`] }),
        ),
      );
      const names = (await other.list()).flatMap((image) => image.names).filter((name) => name.startsWith('side'));
      expect(names.sort()).toEqual([0, 1, 2, 3].map((i) => `side-by-side:${i}`));
      expect(await other.list()).toEqual(await store.list());
    } finally {
      await other.close();
    }
  });
});
