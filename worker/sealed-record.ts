import { crc32 } from 'node:zlib';

/** Begins a field of messages with the highest number there is, of four bytes: decoders that do not know it pass over it. */
const TAG = Buffer.from([0xfd, 0xff, 0xff, 0xff, 0x0f]);
const HEADER = TAG.length + 4;

/** A message as it is put into a file: the CRC-32 of it before it, so that one that is altered or cut off is not taken for whole. */
export function seal(message: Uint8Array): Buffer {
  const sealed = Buffer.alloc(HEADER + message.length);
  TAG.copy(sealed);
  sealed.writeUInt32LE(crc32(message), TAG.length);
  sealed.set(message, HEADER);
  return sealed;
}

/**
 * The message in a file. One without a checksum is of a daemon that wrote none, and is as it is.
 * @throws RangeError when it is not what was sealed
 */
export function unseal(bytes: Buffer): Buffer {
  const same = TAG.filter((byte, at) => bytes[at] === byte).length;
  if (bytes.length < HEADER && same === Math.min(bytes.length, TAG.length))
    throw new RangeError(`it ends after ${bytes.length} bytes`);
  // No message without a checksum begins with most of the tag.
  if (same < 3) return bytes;
  const message = bytes.subarray(HEADER);
  if (same < TAG.length || crc32(message) !== bytes.readUInt32LE(TAG.length))
    throw new RangeError(`its ${bytes.length} bytes are not those that were written: their checksum is another one`);
  return message;
}
