import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { errnoOf, notFound } from '../../lib/errors.js';
import { ImportImageRequest } from '../../proto/gen/node.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { withTag } from '../flags/service.js';
import { dockerImage } from '../format/docker-image.js';
import { naturalOrder } from '../format/human.js';
import { renderInspected, renderList } from '../format/list.js';
import { imageRow, imageView } from '../format/rows.js';
import { imageFilter, isReference } from './image-filter.js';
import { findImage } from './image-names.js';
import { filtersOf, findEach, forEach, listOptionsOf } from './refs.js';
import { registryAuth } from './registry-auth.js';

const CHUNK_BYTES = 512 * 1024;

export async function listImages(context: Context, only: string | undefined, flags: Flags): Promise<void> {
  const { images } = await (await context.agent()).listImages({});
  const now = context.io.clock.now();
  const isAsked = imageFilter(filtersOf(flags));
  const isNamed = only === undefined ? () => true : (name: string) => isReference(name, only);
  const rows = images
    .flatMap((image) => {
      const names = image.names.length > 0 ? image.names : [''];
      const shown = names.filter((name) => isNamed(name) && isAsked(name));
      return shown.map((name) => imageRow(image, name, now, !flags.on('no-trunc')));
    })
    .sort((a, b) => naturalOrder(`${a.Repository}:${a.Tag}`, `${b.Repository}:${b.Tag}`));
  const view = flags.on('digests')
    ? { ...imageView, table: imageView.table.replace('{{.Tag}}', '{{.Tag}}\t{{.Digest}}') }
    : imageView;
  context.io.out(renderList(view, rows, listOptionsOf(flags)));
}

export async function importImage(
  context: Context,
  file: string,
  name: string | undefined,
  flags: Flags,
): Promise<void> {
  const bytes = file === '-' ? context.io.stdin : await openFile(file);
  const head = ImportImageRequest.create({
    name: name === undefined ? '' : withTag(name),
    format: flags.choice('import-format', ['oci-archive', 'docker-archive', 'rootfs']) ?? '',
    changes: flags.list('change'),
  });
  const { image } = await (await context.agent()).importImage(messages(head, bytes));
  context.io.out(`${image.names[0] ?? image.id}\n`);
}

async function* messages(head: ImportImageRequest, bytes: AsyncIterable<Uint8Array>) {
  yield head;
  for await (const chunk of bytes)
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES)
      yield ImportImageRequest.create({ data: chunk.subarray(at, at + CHUNK_BYTES) });
}

async function openFile(file: string): Promise<AsyncIterable<Uint8Array>> {
  try {
    await stat(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw notFound(`no such file: ${file}`, { value: file, hint: "Give the path of an archive, or '-' for stdin." });
    throw error;
  }
  return createReadStream(file, { highWaterMark: CHUNK_BYTES });
}

export async function pullImage(context: Context, name: string, flags: Flags): Promise<void> {
  const agent = await context.agent();
  const request = {
    name: withTag(name),
    registryAuth: registryAuth(name, context.io.env),
    plainHttp: flags.on('plain-http'),
  };
  for await (const { message, image } of agent.pullImage(request)) {
    if (message !== '' && !flags.on('quiet')) context.io.out(`${message}\n`);
    if (image) context.io.out(`${image.names[0] ?? image.id}\n`);
  }
}

export async function inspectImages(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const images = await findEach(context, refs, async (ref) => dockerImage(await findImage(context, ref)));
  context.io.out(renderInspected(images, flags.text('format')));
}

export async function removeImages(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const agent = await context.agent();
  await forEach(context, refs, async (ref) => {
    const { removed } = await agent.removeImage({ ref, force: flags.on('force') });
    context.io.out(removed.map((line) => `${line}\n`).join(''));
  });
}
