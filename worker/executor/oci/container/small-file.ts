import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { failedPrecondition } from '../../../../lib/errors.js';

/** Bytes: user databases of large organisations have less. */
const LARGEST = 4 << 20;

/**
 * A text file that an image or a container has, and may have made of whatever size and kind it likes: one that is no
 * regular file is never read, for a fifo or a device could hold a thread for ever.
 * @param path that leads over no link
 * @param name of the file, as its container knows it
 * @returns '' for what is no regular file
 * @throws FAILED_PRECONDITION for one that is too large
 */
export async function readSmallFile(path: string, name: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = await file.stat();
    if (!facts.isFile()) return '';
    if (facts.size > LARGEST) {
      throw failedPrecondition(`${name} of the container has ${facts.size} bytes: more than ${LARGEST} are not read`, {
        value: name,
      });
    }
    const bytes = Buffer.alloc(facts.size);
    let length = 0;
    for (let read = 1; read > 0 && length < bytes.length; length += read)
      read = (await file.read(bytes, length, bytes.length - length, length)).bytesRead;
    return bytes.toString('utf8', 0, length);
  } finally {
    await file.close();
  }
}
