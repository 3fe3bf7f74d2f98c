import { errnoOf } from '../../../../lib/errors.js';
import type { StoredImage } from '../../executor.js';
import { idOf, imagesOf } from './catalogue.js';
import { type ImageConfig, parseImageConfig } from './config.js';
import type { Layout } from './layout.js';

/** The images that a layout's index names, with what their configurations say. */
export class KnownImages {
  readonly #layout: Layout;
  /** By id; what an id stands for never changes. */
  readonly #configs = new Map<string, ImageConfig>();
  #newest: { readonly version: string; readonly images: readonly StoredImage[] } | undefined;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Read anew. The caller holds the lock of the store. */
  async read(): Promise<StoredImage[]> {
    const manifests = await this.#layout.manifests();
    const ids = new Set(manifests.map(idOf));
    for (const id of this.#configs.keys()) if (!ids.has(id)) this.#configs.delete(id);
    const configs = new Map<string, ImageConfig>();
    for (const id of ids) configs.set(id, await this.config(id));
    return imagesOf(manifests, configs);
  }

  /**
   * Of the index as it is just now, read anew only when it was replaced. Without the lock an image may
   * be removed between the reading of its name and of its configuration: then once more.
   */
  async unlocked(): Promise<readonly StoredImage[]> {
    for (;;) {
      const version = await this.#layout.indexVersion();
      if (this.#newest?.version === version) return this.#newest.images;
      try {
        const images = await this.read();
        this.#newest = { version, images };
        return images;
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || version === (await this.#layout.indexVersion())) throw error;
      }
    }
  }

  async config(id: string): Promise<ImageConfig> {
    const known = this.#configs.get(id) ?? parseImageConfig(await this.#layout.read(id));
    this.#configs.set(id, known);
    return known;
  }
}
