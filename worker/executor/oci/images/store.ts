import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../../../lib/clock.js';
import {
  codeOf,
  failedPrecondition,
  invalidArgument,
  messageOf,
  notFound,
  SwarmError,
} from '../../../../lib/errors.js';
import type { Logger } from '../../../../lib/log.js';
import type { ImageStore, ImportOptions, PullOptions, StoredImage } from '../../executor.js';
import { withFileLock } from '../file-lock.js';
import {
  type ArchivedImage,
  copyArchived,
  dockerArchiveImages,
  inspectArchive,
  ociArchiveImages,
  spoolArchive,
} from './archive.js';
import {
  hexOf,
  idOf,
  isNameOf,
  match,
  noSuchImage,
  shortId,
  withImage,
  withNameOfSource,
  withoutImage,
  withoutName,
  withoutNames,
} from './catalogue.js';
import { applyChanges } from './changes.js';
import { hostPlatform, type ImageConfig, parseImageConfig, parseManifest } from './config.js';
import { collectGarbage } from './garbage.js';
import { Holders } from './holders.js';
import { KnownImages } from './known-images.js';
import { Layout } from './layout.js';
import { isImageId, isLocalOnly, parseImageName } from './name.js';
import { Registries } from './registries.js';
import { resolveDigest } from './resolve.js';
import { exists, layoutFromTar, MANIFEST_TYPE, sizeOf, unpack } from './rootfs.js';
import { SharedWork } from './shared-work.js';
import { WorkFolders } from './work-folders.js';

/** What a container needs of its image. */
export interface AcquiredImage {
  readonly image: StoredImage;
  readonly config: ImageConfig;
  /** The unpacked root filesystem, shared and never written to. */
  readonly rootfs: string;
}

export interface OciImageStoreOptions {
  /** Folder; executors of several processes may share it. */
  readonly root: string;
  readonly log: Logger;
  /** host:port of registries that may speak plain HTTP, beside those on this machine. */
  readonly insecureRegistries?: readonly string[];
}

/**
 * Images in one OCI layout, each unpacked once to a root filesystem that all its containers share.
 *
 *     index.json, blobs/   the layout; a descriptor for each name of an image, or one without a name
 *     rootfs/<id>/         by the digest of the configuration, which is the image's id
 *     holders/<id>/        a link for each container that uses the image
 *     locks/, tmp/
 *
 * Several processes may use one store: content comes in whole, by rename or link, and what is read,
 * changed and written back (the index, deletion of what no image needs) is under one lock. A container
 * gets hold of an image that is here without it: starts do not wait for each other.
 */
export class OciImageStore implements ImageStore {
  readonly #layout: Layout;
  readonly #holders: Holders;
  readonly #root: string;
  readonly #log: Logger;
  readonly #work: WorkFolders;
  readonly #registries: Registries;
  readonly #pulls = new SharedWork<StoredImage>();
  readonly #known: KnownImages;

  private constructor(options: OciImageStoreOptions, work: WorkFolders) {
    this.#root = options.root;
    this.#log = options.log;
    this.#layout = new Layout(options.root);
    this.#known = new KnownImages(this.#layout);
    this.#holders = new Holders(join(options.root, 'holders'));
    this.#work = work;
    this.#registries = new Registries(work, options.insecureRegistries ?? []);
  }

  /** @throws INVALID_ARGUMENT when the tools cannot use the path */
  static async open(options: OciImageStoreOptions): Promise<OciImageStore> {
    if (!options.root.startsWith('/') || /[:,\\]/.test(options.root)) {
      throw invalidArgument(`"${options.root}" cannot be the folder of images`, {
        value: options.root,
        hint: 'It must be an absolute path without colon, comma and backslash.',
      });
    }
    await mkdir(join(options.root, 'rootfs'), { recursive: true });
    const store = new OciImageStore(options, await WorkFolders.open(join(options.root, 'tmp')));
    await store.#layout.create();
    const damage = await store.#locked(() => store.#layout.mend());
    if (damage) options.log.error({ root: options.root }, damage);
    return store;
  }

  async list(): Promise<readonly StoredImage[]> {
    return this.#locked(() => this.#known.read());
  }

  async find(ref: string): Promise<StoredImage | undefined> {
    return match(await this.list(), ref);
  }

  async import(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<StoredImage> {
    const name = options.name === '' ? '' : parseImageName(options.name).canonical;
    const changes = applyChanges(options.changes);
    return this.#work.use(async (work) => {
      const file = await spoolArchive(archive, work);
      const { format, index } = await inspectArchive(file);
      if (options.format !== '' && options.format !== format) {
        throw invalidArgument(`the archive is no ${options.format} but a ${format}`, { value: options.format });
      }
      if (format === 'rootfs') {
        const layout = await layoutFromTar(file, join(work, 'layout'), changes, systemClock.now());
        return this.#ingest(layout, work, name === '' ? [] : [name], '');
      }
      if (options.changes.length > 0) {
        throw invalidArgument(`changes apply to a root filesystem only, not to a ${format}`);
      }
      const found = await (format === 'oci-archive' ? ociArchiveImages : dockerArchiveImages)(file, index);
      return this.#importAll(found, name, work);
    });
  }

  async pull(name: string, options: PullOptions, progress: (message: string) => void): Promise<StoredImage> {
    if (isImageId(name)) {
      throw notFound(`No such image: ${name}`, { value: name, hint: 'An image id cannot be pulled, only a name.' });
    }
    const key = JSON.stringify([parseImageName(name).canonical, options.registryAuth, options.plainHttp]);
    return this.#pulls.run(key, options.signal, (signal) => this.#pull(name, { ...options, signal }, progress));
  }

  async resolve(name: string, options: PullOptions): Promise<string> {
    return resolveDigest(this.#layout, this.#registries, name, options);
  }

  async remove(ref: string, force: boolean): Promise<readonly string[]> {
    return this.#locked(async () => {
      const image = match(await this.#known.read(), ref);
      if (!image) throw noSuchImage(ref);
      const manifests = await this.#layout.manifests();
      const name = image.names.find((own) => isNameOf(own, ref));
      if (name !== undefined && image.names.length > 1) {
        await this.#layout.writeManifests(withoutName(manifests, parseImageName(name).canonical));
        return [`Untagged: ${name}`];
      }
      if (image.names.length > 1 && !force) {
        throw failedPrecondition(`image ${shortId(image.id)} has several names: ${image.names.join(', ')}`, {
          value: ref,
          hint: 'Remove it by name, or with --force.',
        });
      }
      const untagged = image.names.map((own) => `Untagged: ${own}`);
      const users = await this.#holders.count(image.id);
      if (users === 0 && (await this.#holders.close(image.id))) {
        await this.#layout.writeManifests(withoutImage(manifests, image.id));
        await collectGarbage(this.#root, this.#layout);
        return [...untagged, `Deleted: ${image.id}`];
      }
      if (!force) {
        const who = users > 1 ? `${users} containers use` : 'a container uses';
        throw failedPrecondition(`image ${image.names[0] ?? shortId(image.id)} cannot be removed: ${who} it`, {
          value: ref,
          hint: 'Remove the services that use it, or take its names away with --force.',
        });
      }
      await this.#layout.writeManifests(withoutNames(manifests, image.id));
      return untagged;
    });
  }

  /**
   * The image of a container, pulled if it is not here; it stays until `release`.
   * @param holder folder of the container: when that is gone, so is its claim
   * @throws NOT_FOUND "No such image: …", FAILED_PRECONDITION for an image of another platform
   */
  async acquire(
    ref: string,
    holder: string,
    options: { readonly registryAuth: string; readonly signal: AbortSignal },
  ): Promise<AcquiredImage> {
    const here = await this.#hold(ref, holder, await this.#known.unlocked());
    if (here) return here;
    if (isLocalOnly(ref)) throw noSuchImage(ref);
    const pulled = await this.#pullMissing(ref, options);
    const held = await this.#hold(pulled.id, holder, await this.list());
    if (!held) throw noSuchImage(ref);
    return held;
  }

  async release(holder: string): Promise<void> {
    await this.#holders.drop(holder);
  }

  /** Deletes temporary files. Images and what containers use stay. */
  async close(): Promise<void> {
    await this.#work.close();
  }

  async #hold(ref: string, holder: string, images: readonly StoredImage[]): Promise<AcquiredImage | undefined> {
    const image = match(images, ref);
    if (!image) return undefined;
    const { architecture, os } = image.platform;
    if (architecture !== hostPlatform.architecture || os !== hostPlatform.os) {
      throw failedPrecondition(
        `image ${ref} is for ${os}/${architecture}, this node is ${hostPlatform.os}/${hostPlatform.architecture}`,
        { value: ref, hint: 'Use an image of this platform, or a constraint on node.platform.arch.' },
      );
    }
    // Removed since its name was read: as if it had not been there.
    if (!(await this.#holders.add(image.id, holder)) && !(await this.#reopen(image.id, holder))) return undefined;
    const rootfs = this.#rootfs(image.id);
    if (!(await exists(rootfs))) {
      throw failedPrecondition(`the root filesystem of image ${ref} is gone: ${rootfs}`, {
        value: ref,
        hint: `Remove the image (image rm --force ${ref}) and import or pull it again.`,
      });
    }
    return { image, config: await this.#known.config(image.id), rootfs };
  }

  /** For an image that cannot be held: a removal may have been cut off after that, and the image be here still. */
  async #reopen(id: string, holder: string): Promise<boolean> {
    return this.#locked(async () => {
      if (!(await this.#layout.manifests()).some((item) => idOf(item) === id)) return false;
      await this.#holders.open(id);
      return this.#holders.add(id, holder);
    });
  }

  async #pullMissing(
    ref: string,
    options: { readonly registryAuth: string; readonly signal: AbortSignal },
  ): Promise<StoredImage> {
    try {
      return await this.pull(ref, { ...options, plainHttp: false }, (message) =>
        this.#log.debug({ image: ref }, message),
      );
    } catch (error) {
      if (codeOf(error) !== 'NOT_FOUND' && codeOf(error) !== 'UNAVAILABLE') throw error;
      const hint = error instanceof SwarmError && error.hint ? ` ${error.hint}` : '';
      const cause = error instanceof SwarmError ? error.cause : undefined;
      this.#log.warn({ image: ref, ...(cause === undefined ? {} : { cause: messageOf(cause) }) }, messageOf(error));
      throw notFound(`No such image: ${ref} (not on this node; ${messageOf(error)})`, {
        value: ref,
        hint: `Import it on this node with \`image import\`, or make its registry reachable.${hint}`,
        cause: error,
      });
    }
  }

  async #pull(name: string, options: PullOptions, progress: (message: string) => void): Promise<StoredImage> {
    const parsed = parseImageName(name);
    return this.#registries.visit(parsed, options, async (registry, work) => {
      progress(`Pulling from ${parsed.path}`);
      const digest = await registry.digest();
      progress(`Digest: ${digest}`);
      const known = await this.#tag(digest, parsed.canonical);
      if (known) {
        progress(`Status: Image is up to date for ${parsed.familiar}`);
        return known;
      }
      const layout = await this.#layoutWithOurBlobs(join(work, 'layout'));
      await registry.copy(digest, layout, progress);
      const image = await this.#ingest(layout, work, [parsed.canonical], digest, options.signal);
      progress(`Status: Downloaded newer image for ${parsed.familiar}`);
      return image;
    });
  }

  async #importAll(found: readonly ArchivedImage[], name: string, work: string): Promise<StoredImage> {
    if (name !== '' && found.length > 1) {
      throw invalidArgument(`the archive has ${found.length} images, so it cannot be imported under one name`, {
        value: name,
        hint: 'Leave the name out: the archive has names for them.',
      });
    }
    let first: StoredImage | undefined;
    for (const [position, { source, names }] of found.entries()) {
      const folder = join(work, `image-${position}`);
      await mkdir(folder);
      const layout = await this.#layoutWithOurBlobs(join(folder, 'layout'));
      await copyArchived(source, layout, work);
      const canonical = name === '' ? names.map((item) => parseImageName(item).canonical) : [name];
      const image = await this.#ingest(layout, folder, canonical, '');
      first ??= image;
    }
    if (!first) throw invalidArgument('the archive has no image');
    return first;
  }

  /** Takes the only image of a layout into the store. */
  async #ingest(
    layout: Layout,
    work: string,
    names: readonly string[],
    source: string,
    signal?: AbortSignal,
  ): Promise<StoredImage> {
    const [descriptor] = await layout.manifests();
    if (!descriptor) throw invalidArgument('the archive has no image');
    const manifest = { ...descriptor, mediaType: MANIFEST_TYPE };
    const { config } = parseManifest(await layout.read(manifest.digest));
    parseImageConfig(await layout.read(config.digest));
    const rootfs = this.#rootfs(config.digest);
    for (;;) {
      const unpackOnce = async () => {
        if (!(await exists(rootfs))) await unpack(layout, work, rootfs, signal);
      };
      await withFileLock(join(this.#root, 'locks', 'unpack'), unpackOnce, signal);
      const sizeBytes = await sizeOf(rootfs);
      const image = await this.#locked(async () => {
        // Deleted between the two locks, as nothing named it yet: once more.
        if (!(await exists(rootfs))) return undefined;
        await layout.linkBlobs(await layout.blobsOf(manifest.digest), this.#layout);
        const entry = { manifest, id: config.digest, sizeBytes, source };
        await this.#holders.open(config.digest);
        await this.#layout.writeManifests(withImage(await this.#layout.manifests(), entry, names));
        return match(await this.#known.read(), config.digest);
      });
      if (image) return image;
    }
  }

  /** Gives an image that was pulled by this digest a further name; undefined when there is none. */
  async #tag(digest: string, name: string): Promise<StoredImage | undefined> {
    return this.#locked(async () => {
      const tagged = withNameOfSource(await this.#layout.manifests(), digest, name);
      if (!tagged || !(await exists(this.#rootfs(tagged.id)))) return undefined;
      await this.#layout.writeManifests(tagged.manifests);
      return match(await this.#known.read(), tagged.id);
    });
  }

  /** An empty layout beside ours that shares our blobs, so that skopeo fetches only what is new. */
  async #layoutWithOurBlobs(folder: string): Promise<Layout> {
    const layout = new Layout(folder);
    await layout.create();
    await this.#locked(async () => this.#layout.linkBlobs(await this.#layout.listBlobs(), layout));
    return layout;
  }

  #rootfs(id: string): string {
    return join(this.#root, 'rootfs', hexOf(id));
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    return withFileLock(join(this.#root, 'locks', 'store'), work);
  }
}
