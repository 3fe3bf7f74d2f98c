import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeRootfsArchive } from '../../demo/image.js';
import { until } from '../../demo/steps.js';
import { Registry, registryInstalled } from '../registry.js';
import { ADDRESS, useMachine } from './machine.js';

const installed = registryInstalled();
const machine = useMachine();
let folder: string;
let registry: Registry;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-registry-'));
  if (!installed) return;
  const within = ['nsenter', `--net=/run/netns/${machine.namespace}`, '--'];
  registry = await Registry.start({ folder, port: 5000, within });
});
afterAll(async () => {
  await registry?.stop();
  await rm(folder, { recursive: true, force: true });
});

// A service's containers go with the swarm only.
afterEach(async () => {
  if (installed) await machine.run('leave', '--force');
});

/** Puts an image that tells its version under the tag. */
async function publish(version: string): Promise<void> {
  const { archive, remove } = await makeRootfsArchive();
  try {
    const changes = [
      '--change',
      'ENV PATH=/bin',
      '--change',
      `CMD ["sh", "-c", "echo version ${version}; sleep 1000"]`,
    ];
    await machine.run('image', 'import', ...changes, archive, `made:${version}`);
  } finally {
    await remove();
  }
  await registry.push(`oci:${machine.folder}/data/images:docker.io/library/made:${version}`, 'team/app:1');
  await machine.run('image', 'rm', `made:${version}`);
}

async function versions(): Promise<readonly string[]> {
  const logs = await machine.run('service', 'logs', '--raw', 'app');
  return logs
    .split('\n')
    .filter((line) => line.startsWith('version '))
    .sort();
}

test.skipIf(!installed)(
  'a tag that moves - tasks that come later run what the service was created with, until it is updated',
  async () => {
    await machine.run('init', '--advertise-addr', ADDRESS);
    const name = `${registry.address}/team/app:1`;
    await publish('one');
    await machine.run('service', 'create', '--quiet', '--stop-grace-period', '0s', '--name', 'app', name);
    await publish('two');
    await machine.run('service', 'scale', 'app=2');
    await until('both tasks have told their version', 20, async () => (await versions()).length === 2 || undefined);
    expect(await versions()).toEqual(['version one', 'version one']);
    await machine.run('service', 'update', '--quiet', '--image', name, 'app');
    await until(
      'both run the new version',
      20,
      async () => (await versions()).filter((line) => line === 'version two').length === 2 || undefined,
    );
    const images = await machine.run('image', 'ls', '--format', '{{.Repository}} {{.Tag}}');
    expect(images.trim().split('\n')).toEqual([
      `${registry.address}/team/app <none>`,
      `${registry.address}/team/app <none>`,
      'busybox latest',
    ]);
  },
);
