import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../lib/log.js';
import { OciImageStore } from '../../worker/executor/oci/index.js';
import { Registry, registryInstalled } from '../registry.js';
import { busyboxTar, never } from './executor-fixture.js';

const installed = registryInstalled();

/** Base64 of user:secret, as bcrypt in htpasswd's form. */
const HTPASSWD = 'user:$2y$05$Lf8LpX5mQNiNqqmMDYgEYOY4bGe5QPu/ysjsbxyLi1W/HyMztQhji\n';

let folder: string;
let store: OciImageStore;
let registry: Registry | undefined;
let address: string;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof bound === 'object' && bound ? bound.port : 0;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsswarm-registry-'));
  store = await OciImageStore.open({ root: join(folder, 'images'), log: silentLogger });
  if (!installed) return;
  registry = await Registry.start({ folder, port: await freePort() });
  address = registry.address;
  await store.import(createReadStream(await busyboxTar(folder)), {
    name: 'local:1',
    format: '',
    changes: ['CMD ["true"]'],
  });
  await registry.push(`oci:${folder}/images:docker.io/library/local:1`, 'team/app:1');
  await store.remove('local:1', true);
});

afterAll(async () => {
  await registry?.stop();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const options = { registryAuth: '', plainHttp: true, signal: never };

describe.skipIf(!installed)('images - pull', () => {
  it('fetches once, and tells what it does', async () => {
    const said: string[] = [];
    const image = await store.pull(`${address}/team/app:1`, options, (message) => said.push(message));
    expect(image.names).toEqual([`${address}/team/app:1`]);
    expect(said[0]).toBe('Pulling from team/app');
    expect(said.at(-1)).toBe(`Status: Downloaded newer image for ${address}/team/app:1`);
    expect(await store.find(`${address}/team/app@${image.digest}`)).toEqual(image);
    const again: string[] = [];
    expect(await store.pull(`${address}/team/app:1`, options, (message) => again.push(message))).toEqual(image);
    expect(again.at(-1)).toBe(`Status: Image is up to date for ${address}/team/app:1`);
    const byDigest = await store.pull(`${address}/team/app@${image.digest}`, options, () => undefined);
    expect(byDigest.id).toBe(image.id);
  });

  it('is done by itself for a container whose image is not here', async () => {
    const image = await store.find(`${address}/team/app:1`);
    await store.remove(image?.id ?? '', true);
    const holder = await mkdtemp(join(folder, 'container-'));
    const wanted = { registryAuth: '', signal: never };
    const [a, b] = await Promise.all([
      store.acquire(`${address}/team/app:1`, holder, wanted),
      store.acquire(`${address}/team/app:1`, holder, wanted),
    ]);
    expect(a.image.id).toBe(image?.id);
    expect(b.rootfs).toBe(a.rootfs);
  });

  it('knows the digest of a name, and none of what came from an archive', async () => {
    const name = `${address}/team/app:1`;
    const { digest } = await store.pull(name, options, () => undefined);
    expect(await store.resolve(name, options)).toBe(`${name}@${digest}`);
    expect(await store.resolve(`${name}@${digest}`, options)).toBe(`${name}@${digest}`);
    expect(await store.find(`${name}@${digest}`)).toMatchObject({ digest });
    await expect(store.resolve(`${address}/team/app:none`, options)).rejects.toThrow('not found');
    const archive = createReadStream(await busyboxTar(await mkdtemp(join(folder, 'own-'))));
    await store.import(archive, { name: `${address}/team/own:1`, format: '', changes: [] });
    expect(await store.resolve(`${address}/team/own:1`, options)).toBe(`${address}/team/own:1`);
    await store.remove(`${address}/team/own:1`, true);
  });

  it('says what the registry does not have', async () => {
    await expect(store.pull(`${address}/team/app:none`, options, () => undefined)).rejects.toThrow(
      `manifest for ${address}/team/app:none not found`,
    );
  });

  it('stops when it is aborted', async () => {
    const abort = AbortSignal.abort(new Error('not any more'));
    await expect(store.pull(`${address}/team/app:2`, { ...options, signal: abort }, () => undefined)).rejects.toThrow(
      'not any more',
    );
  });

  it('shows credentials', async () => {
    const port = await freePort();
    await writeFile(join(folder, 'htpasswd'), HTPASSWD);
    const auth = `auth: {htpasswd: {realm: test, path: ${join(folder, 'htpasswd')}}}\n`;
    const guarded = await Registry.start({ folder, port, auth });
    try {
      const name = `127.0.0.1:${port}/team/app:1`;
      await expect(store.pull(name, options, () => undefined)).rejects.toThrow('pull access denied');
      const registryAuth = Buffer.from(JSON.stringify({ username: 'user', password: 'secret' })).toString('base64');
      const image = await store.pull(name, { ...options, registryAuth }, () => undefined);
      expect(image.names).toContain(name);
    } finally {
      await guarded.stop();
    }
  });
});
