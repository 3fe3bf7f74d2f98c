import { AsyncQueue } from '../lib/async.js';
import { invalidArgument } from '../lib/errors.js';
import { Image, type ImportImageRequest, type PullImageProgress } from '../proto/gen/index.js';
import type { ImageStore, ImportOptions, StoredImage } from '../worker/executor/executor.js';

export function imageMessage(image: StoredImage): Image {
  return Image.create({ ...image, names: [...image.names] });
}

const FORMATS: readonly string[] = ['', 'oci-archive', 'docker-archive', 'rootfs'] satisfies ImportOptions['format'][];

/**
 * Takes an import's stream apart: what the first message says, and the bytes of all.
 * @throws INVALID_ARGUMENT when there is no first message or it names a format that does not exist
 */
export async function importRequest(
  messages: AsyncIterable<ImportImageRequest>,
): Promise<{ readonly options: ImportOptions; readonly archive: AsyncIterable<Uint8Array> }> {
  const iterator = messages[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) throw invalidArgument('nothing was sent to import');
  const { name, format, changes, data } = first.value;
  if (!FORMATS.includes(format)) {
    throw invalidArgument(`"${format}" is not a format of images`, {
      value: format,
      hint: `There are ${FORMATS.slice(1).join(', ')}.`,
    });
  }
  async function* archive(): AsyncIterable<Uint8Array> {
    if (data.length > 0) yield data;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value.data;
  }
  return { options: { name, format: format as ImportOptions['format'], changes }, archive: archive() };
}

export interface Pull {
  readonly name: string;
  readonly registryAuth: string;
  readonly plainHttp: boolean;
}

/** A pull as a stream: its progress in words, then the image. @throws what the store throws */
export async function* pullMessages(
  images: Pick<ImageStore, 'pull'>,
  pull: Pull,
  signal: AbortSignal,
): AsyncIterable<PullImageProgress> {
  const progress = new AsyncQueue<PullImageProgress>();
  images
    .pull(pull.name, { registryAuth: pull.registryAuth, plainHttp: pull.plainHttp, signal }, (message) =>
      progress.push({ message, image: undefined }),
    )
    .then(
      (image) => {
        progress.push({ message: '', image: imageMessage(image) });
        progress.end();
      },
      (error: unknown) => progress.fail(error),
    );
  yield* progress;
}
