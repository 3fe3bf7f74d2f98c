import { join } from 'node:path';
import { runTool } from '../tool.js';
import { hexOf, idOf } from './catalogue.js';
import { namesIn } from './holders.js';
import type { Layout } from './layout.js';

/** Deletes what no image of the index needs. The caller holds the lock of the store in `root`. */
export async function collectGarbage(root: string, layout: Layout): Promise<void> {
  const manifests = await layout.manifests();
  const ids = new Set(manifests.map((item) => hexOf(idOf(item))));
  const needed = new Set<string>();
  for (const digest of new Set(manifests.map((item) => item.digest))) {
    for (const blob of await layout.blobsOf(digest)) needed.add(blob);
  }
  for (const blob of await layout.listBlobs()) if (!needed.has(blob)) await layout.deleteBlob(blob);
  for (const folder of ['rootfs', 'holders']) {
    for (const id of await namesIn(join(root, folder))) {
      if (!ids.has(id)) await runTool('rm', ['-rf', '--one-file-system', join(root, folder, id)]);
    }
  }
}
