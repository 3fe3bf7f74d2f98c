import { open } from 'node:fs/promises';
import { parseManifest } from './config.js';
import type { Layout } from './layout.js';
import { changeOnlyImage } from './only-image.js';

export const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';

/** First bytes of the compressions that OCI layers may have (RFC 1952 section 2.3.1, RFC 8878 section 3.1.1). */
const COMPRESSIONS = [
  { suffix: '+gzip', magic: Buffer.from([0x1f, 0x8b]) },
  { suffix: '+zstd', magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) },
] as const;

/**
 * Makes each layer's media type in a layout's only image say what its bytes are. skopeo writes "gzip" for the
 * uncompressed layers of a docker-archive that it is told to leave as they are, and umoci believes it.
 */
export async function nameLayersByTheirBytes(layout: Layout): Promise<void> {
  await changeOnlyImage(layout, async (manifest) => {
    const { layers } = parseManifest(JSON.stringify(manifest));
    const named = await Promise.all(
      layers.map(async (layer) => ({ ...layer, mediaType: await typeOf(layout, layer.digest) })),
    );
    const same = named.every(({ mediaType }, index) => mediaType === layers[index]?.mediaType);
    return same ? undefined : { ...manifest, layers: named };
  });
}

async function typeOf(layout: Layout, digest: string): Promise<string> {
  const file = await open(layout.blob(digest));
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    const start = buffer.subarray(0, bytesRead);
    const compression = COMPRESSIONS.find(({ magic }) => start.subarray(0, magic.length).equals(magic));
    return LAYER_TYPE + (compression?.suffix ?? '');
  } finally {
    await file.close();
  }
}
