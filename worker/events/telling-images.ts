import { Attributes } from '../../lib/events/event.js';
import type { ImageStore, ImportOptions, PullOptions, StoredImage } from '../executor/executor.js';
import type { LocalEvents } from './local-events.js';

/** The images of a machine, that tell what people do with them. */
export class TellingImages implements ImageStore {
  readonly #images: ImageStore;
  readonly #events: LocalEvents;

  constructor(images: ImageStore, events: LocalEvents) {
    this.#images = images;
    this.#events = events;
  }

  list: ImageStore['list'] = () => this.#images.list();
  find: ImageStore['find'] = (ref) => this.#images.find(ref);
  resolve: ImageStore['resolve'] = (name, options) => this.#images.resolve(name, options);

  async import(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<StoredImage> {
    const image = await this.#images.import(archive, options);
    this.#tell('import', image.id, image.names[0]);
    return image;
  }

  async pull(name: string, options: PullOptions, progress: (message: string) => void): Promise<StoredImage> {
    const image = await this.#images.pull(name, options, progress);
    this.#tell('pull', name, name);
    return image;
  }

  async remove(ref: string, force: boolean): Promise<readonly string[]> {
    const image = await this.#images.find(ref);
    const removed = await this.#images.remove(ref, force);
    for (const line of removed) {
      const [what, of] = line.split(': ', 2);
      if (what === 'Untagged') this.#tell('untag', image?.id ?? '', of);
      else if (of !== undefined) this.#tell('delete', of, of);
    }
    return removed;
  }

  #tell(action: string, id: string, name: string | undefined): void {
    this.#events.tell({ type: 'image', action, id, attributes: new Attributes().set('name', name).values });
  }
}
