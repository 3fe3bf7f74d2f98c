import { link, mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';
import { runTool } from '../tool.js';
import type { ImageSettings } from './changes.js';
import { hostPlatform } from './config.js';
import { LAYER_TYPE } from './layer-types.js';
import { Layout } from './layout.js';

/** The name of the one image in a layout that is made for skopeo or umoci. */
export const ONLY = 'image';

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Unpacks the only image of `layout` to `target`, in child processes. `target` is there whole or not
 * at all: it is unpacked beside, written to the disk, then renamed.
 */
export async function unpack(layout: Layout, work: string, target: string, signal?: AbortSignal): Promise<void> {
  const rootfs = join(work, 'rootfs');
  const options = signal ? { signal } : {};
  await runTool('umoci', ['raw', 'unpack', '--image', `${layout.root}:${ONLY}`, rootfs], options);
  // A crash of the machine after the rename must not leave a root filesystem of empty files.
  await runTool('sync', ['-f', rootfs], options);
  await rename(rootfs, target);
}

/** Bytes of the files below a folder. */
export async function sizeOf(folder: string): Promise<number> {
  return Number((await runTool('du', ['-s', '-B1', '--apparent-size', folder])).split(/\s/)[0]);
}

/** Makes `folder` a layout whose only image has the tar file as its one layer. */
export async function layoutFromTar(tar: string, folder: string, config: ImageSettings, now: number): Promise<Layout> {
  const layout = new Layout(folder);
  await mkdir(folder, { recursive: true });
  await layout.create();
  const layer = `sha256:${(await runTool('sha256sum', ['-b', tar])).slice(0, 64)}`;
  await link(tar, layout.blob(layer));
  const created = new Date(now).toISOString();
  const configuration = await layout.writeBlob({
    created,
    ...hostPlatform,
    config,
    rootfs: { type: 'layers', diff_ids: [layer] },
    history: [{ created, comment: 'imported from a root filesystem' }],
  });
  const manifest = await layout.writeBlob({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, ...configuration },
    layers: [{ mediaType: LAYER_TYPE, digest: layer, size: (await stat(tar)).size }],
  });
  await layout.writeManifests([
    { mediaType: MANIFEST_TYPE, ...manifest, annotations: { 'org.opencontainers.image.ref.name': ONLY } },
  ]);
  return layout;
}
