import { createHash } from 'node:crypto';
import { copyFile, link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../../../../lib/errors.js';
import { writeFileAtomically } from '../atomic-file.js';
import { type Descriptor, parseDescriptor, parseJsonObject, parseManifest } from './config.js';

const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/** An OCI image layout on disk (OCI image-spec, image-layout.md). */
export class Layout {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get blobs(): string {
    return join(this.root, 'blobs', 'sha256');
  }

  blob(digest: string): string {
    return join(this.blobs, digest.slice('sha256:'.length));
  }

  /** Makes it an empty layout, unless it is one already. */
  async create(): Promise<void> {
    await mkdir(this.blobs, { recursive: true });
    await writeIfAbsent(join(this.root, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await writeIfAbsent(join(this.root, 'index.json'), indexOf([]));
  }

  async manifests(): Promise<Descriptor[]> {
    const index = parseJsonObject(await readFile(join(this.root, 'index.json'), 'utf8'), `${this.root}/index.json`);
    const list = Array.isArray(index.manifests) ? index.manifests : [];
    return list.map((item) => parseDescriptor(item, `a manifest in ${this.root}/index.json`));
  }

  /**
   * Puts an index that cannot be read out of the way, for a person to look at, and an empty one in its place.
   * What a power cut has left of it would else be in the way of all images, of those that are pulled too.
   * @returns what was wrong, and what it means; undefined when it can be read
   */
  async mend(): Promise<string | undefined> {
    try {
      await this.manifests();
      return undefined;
    } catch (error) {
      if (errnoOf(error) !== undefined) throw error;
      const aside = join(this.root, 'index.json.unreadable');
      await copyFile(join(this.root, 'index.json'), aside);
      await this.writeManifests([]);
      return `${messageOf(error)}: it is in ${aside} now. Containers keep their images; others are to be pulled or imported anew`;
    }
  }

  /** Another one each time the index is replaced. */
  async indexVersion(): Promise<string> {
    const { ino, ctimeNs, size } = await stat(join(this.root, 'index.json'), { bigint: true });
    return `${ino} ${ctimeNs} ${size}`;
  }

  /** Replaces the index. The caller holds the lock of the layout, if others may write to it. */
  async writeManifests(manifests: readonly Descriptor[]): Promise<void> {
    await writeFileAtomically(join(this.root, 'index.json'), indexOf(manifests));
  }

  read(digest: string): Promise<string> {
    return readFile(this.blob(digest), 'utf8');
  }

  /** Adds a blob of JSON, as a descriptor without its media type. */
  async writeBlob(content: object): Promise<{ digest: string; size: number }> {
    const data = JSON.stringify(content);
    const digest = `sha256:${createHash('sha256').update(data).digest('hex')}`;
    // One that is there may be linked into other layouts: it is not opened for writing.
    await writeIfAbsent(this.blob(digest), data);
    return { digest, size: Buffer.byteLength(data) };
  }

  /** Digests of an image's blobs: its manifest, configuration and layers. */
  async blobsOf(manifest: string): Promise<string[]> {
    const { config, layers } = parseManifest(await this.read(manifest));
    return [manifest, config.digest, ...layers.map(({ digest }) => digest)];
  }

  /** Gives `target` the named blobs by hard links: without copying, and safe from deletion here. */
  async linkBlobs(digests: readonly string[], target: Layout): Promise<void> {
    for (const digest of digests) {
      try {
        await link(this.blob(digest), target.blob(digest));
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
      }
    }
  }

  async listBlobs(): Promise<string[]> {
    return (await readdir(this.blobs)).filter((name) => /^[0-9a-f]{64}$/.test(name)).map((name) => `sha256:${name}`);
  }

  async deleteBlob(digest: string): Promise<void> {
    await rm(this.blob(digest), { force: true });
  }
}

function indexOf(manifests: readonly Descriptor[]): string {
  return JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests });
}

async function writeIfAbsent(path: string, data: string): Promise<void> {
  try {
    await writeFile(path, data, { flag: 'wx' });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}
