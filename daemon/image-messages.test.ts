import { expect, test } from 'vitest';
import { notFound } from '../lib/errors.js';
import { ImportImageRequest, Platform } from '../proto/gen/index.js';
import type { ImageStore, StoredImage } from '../worker/executor/executor.js';
import { importRequest, pullMessages } from './image-messages.js';

async function* stream<T>(...items: readonly T[]): AsyncIterable<T> {
  yield* items;
}

test('importRequest - the first message says how, the bytes of all follow in order', async () => {
  const messages = stream(
    ImportImageRequest.create({ name: 'a:1', format: 'rootfs', changes: ['CMD ["x"]'], data: Buffer.from('one ') }),
    ImportImageRequest.create({ data: Buffer.from('two') }),
  );
  const { options, archive } = await importRequest(messages);
  expect(options).toEqual({ name: 'a:1', format: 'rootfs', changes: ['CMD ["x"]'] });
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk);
  expect(Buffer.concat(chunks).toString()).toBe('one two');
});

test('importRequest - nothing, or a format that does not exist', async () => {
  await expect(importRequest(stream())).rejects.toThrow('nothing was sent to import');
  await expect(importRequest(stream(ImportImageRequest.create({ format: 'zip' })))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: '"zip" is not a format of images',
    hint: 'There are oci-archive, docker-archive, rootfs.',
  });
});

const IMAGE: StoredImage = {
  id: 'sha256:1',
  names: ['a:1'],
  digest: 'sha256:2',
  sizeBytes: 3,
  createdAt: 4,
  platform: Platform.create({ os: 'linux' }),
};

const pullWith = (pull: ImageStore['pull']) =>
  pullMessages({ pull }, { name: 'a', registryAuth: '', plainHttp: true }, new AbortController().signal);

test('pullMessages - progress in words, then the image', async () => {
  const messages = [];
  const pull: ImageStore['pull'] = async (name, { plainHttp }, progress) => {
    progress(`${name} ${plainHttp}`);
    return IMAGE;
  };
  for await (const { message, image } of pullWith(pull)) messages.push([message, image?.id]);
  expect(messages).toEqual([
    ['a true', undefined],
    ['', 'sha256:1'],
  ]);
});

test('pullMessages - progress before the error is not lost', async () => {
  const messages: string[] = [];
  const pull: ImageStore['pull'] = async (_name, _options, progress) => {
    progress('asking');
    throw notFound('No such image: a');
  };
  const read = async () => {
    for await (const { message } of pullWith(pull)) messages.push(message);
  };
  await expect(read()).rejects.toThrow('No such image: a');
  expect(messages).toEqual(['asking']);
});
