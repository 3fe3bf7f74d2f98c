import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseImageConfig, parseManifest } from './config.js';
import { keepDockerSettings } from './docker-settings.js';
import { Layout } from './layout.js';
import { MANIFEST_TYPE } from './rootfs.js';

let layout: Layout;
beforeEach(async () => {
  layout = new Layout(await mkdtemp(join(tmpdir(), 'layout-')));
  await layout.create();
});
afterEach(() => rm(layout.root, { recursive: true }));

const docker = {
  architecture: 'amd64',
  os: 'linux',
  config: {
    Cmd: ['/app'],
    Healthcheck: { Test: ['CMD-SHELL', 'curl -f localhost'], Interval: 5_000_000_000, Retries: 2 },
    Shell: ['/bin/bash', '-c'],
  },
};

async function image(config: object): Promise<string> {
  const blob = await layout.writeBlob({ architecture: 'amd64', os: 'linux', config });
  const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', ...blob };
  const manifest = await layout.writeBlob({ schemaVersion: 2, config: descriptor, layers: [] });
  await layout.writeManifests([{ mediaType: MANIFEST_TYPE, ...manifest }]);
  return manifest.digest;
}

async function settings() {
  const [manifest] = await layout.manifests();
  const { config } = parseManifest(await layout.read(manifest?.digest ?? ''));
  return { digest: manifest?.digest, config: parseImageConfig(await layout.read(config.digest)) };
}

it("docker settings - come into the image that was made of docker's", async () => {
  await image({ Cmd: ['/app'] });
  await keepDockerSettings(layout, JSON.stringify(docker));
  expect((await settings()).config).toMatchObject({
    cmd: ['/app'],
    shell: ['/bin/bash', '-c'],
    healthcheck: { test: ['CMD-SHELL', 'curl -f localhost'], interval: 5e9, timeout: 0, retries: 2 },
  });
});

it('docker settings - an image without them, or with them, stays the same', async () => {
  const without = await image({ Cmd: ['/app'] });
  await keepDockerSettings(layout, JSON.stringify({ ...docker, config: { Cmd: ['/app'] } }));
  expect((await settings()).digest).toBe(without);
  const has = await image(docker.config);
  await keepDockerSettings(layout, JSON.stringify(docker));
  expect((await settings()).digest).toBe(has);
});
