import { parseJsonObject } from './config.js';
import type { Layout } from './layout.js';

type Manifest = ReturnType<typeof parseJsonObject>;

/** Replaces the manifest of a layout's only image. @param change gives undefined to leave it as it is */
export async function changeOnlyImage(
  layout: Layout,
  change: (manifest: Manifest) => Promise<object | undefined>,
): Promise<void> {
  const [descriptor, ...others] = await layout.manifests();
  if (!descriptor || others.length > 0) throw new Error(`${layout.root} was to have one image`);
  const changed = await change(parseJsonObject(await layout.read(descriptor.digest), 'the image manifest'));
  if (changed) await layout.writeManifests([{ ...descriptor, ...(await layout.writeBlob(changed)) }]);
}
