import { crc32c } from './crc32c.js';
import { type FileKey, TAG_BYTES } from './file-key.js';

/**
 * A frame is what is written at once. It begins with a sector, all numbers little-endian:
 *
 *     u32 CRC32C of the next 12 bytes · u32 length of the body · u32 number of the frame in its file
 *     u32 CRC32C of the body · the sealed body · 0xff up to the end of the sector
 *
 * A disk writes a sector whole or not at all, and a frame is written only when the one before it is
 * durable, into a file of zeros. So a crash can leave nothing but a last frame with sectors that are
 * all zeros, or that a file too short cuts off; no sector of a written frame is all zeros, thanks to
 * the filler. Anything else that does not verify is damage to acknowledged data.
 */
export const SECTOR = 512;
export const FILLER = 0xff;
const HEADER_BYTES = 16;

/** Bytes on disk of a frame for so much plaintext. */
export function frameBytes(plainLength: number): number {
  return wholeSectors(HEADER_BYTES + plainLength + TAG_BYTES);
}

export function encodeFrame(key: FileKey, counter: number, plain: Uint8Array): Buffer {
  const [ciphertext, tag] = key.seal(counter, plain);
  const length = ciphertext.length + tag.length;
  const frame = Buffer.allocUnsafe(frameBytes(plain.length));
  frame.set(ciphertext, HEADER_BYTES);
  frame.set(tag, HEADER_BYTES + ciphertext.length);
  frame.fill(FILLER, HEADER_BYTES + length);
  frame.writeUInt32LE(length, 4);
  frame.writeUInt32LE(counter, 8);
  frame.writeUInt32LE(crc32c(frame.subarray(HEADER_BYTES, HEADER_BYTES + length)), 12);
  frame.writeUInt32LE(crc32c(frame.subarray(4, HEADER_BYTES)), 0);
  return frame;
}

/** What stands at an offset of a file. */
export type ReadResult =
  | { readonly is: 'frame'; readonly sealed: Buffer; readonly end: number }
  /** Nothing but zeros, or the end of the file. */
  | { readonly is: 'nothing' }
  /** A frame whose write was not finished. */
  | { readonly is: 'torn' }
  | { readonly is: 'damaged'; readonly what: string };

const torn: ReadResult = { is: 'torn' };
const damage = (what: string): ReadResult => ({ is: 'damaged', what });

/** @param offset a multiple of SECTOR; `file` may begin anywhere at such a multiple, but goes on to its end */
export function readFrame(file: Buffer, offset: number, counter: number): ReadResult {
  if (isZero(file, offset, file.length)) return { is: 'nothing' };
  if (file.length - offset < HEADER_BYTES) return torn;
  if (!headerIsSound(file, offset)) {
    if (!isZero(file, offset, offset + SECTOR)) return damage("a frame's header does not match its checksum");
    return unfinished(file, offset + SECTOR, counter);
  }
  const number = file.readUInt32LE(offset + 8);
  if (number !== counter) return damage(`frame ${counter} is expected there, but it is ${number}`);
  const end = offset + frameExtent(file, offset);
  const bodyEnd = offset + HEADER_BYTES + file.readUInt32LE(offset + 4);
  if (bodyEnd > file.length) return torn;
  const sealed = file.subarray(offset + HEADER_BYTES, bodyEnd);
  if (crc32c(sealed) === file.readUInt32LE(offset + 12)) return { is: 'frame', sealed, end };
  for (let sector = offset; sector < end; sector += SECTOR)
    if (isZero(file, sector, sector + SECTOR)) return unfinished(file, end, counter);
  return damage('a frame does not match its checksum');
}

/** Bytes on disk of the frame whose header stands at the offset; undefined when that is not sound. */
export function soundExtent(file: Buffer, offset: number): number | undefined {
  if (file.length - offset < HEADER_BYTES || !headerIsSound(file, offset)) return undefined;
  return frameExtent(file, offset);
}

function frameExtent(file: Buffer, offset: number): number {
  return wholeSectors(HEADER_BYTES + file.readUInt32LE(offset + 4));
}

/**
 * A frame with missing sectors was never acknowledged if it is the last. The header of a later one
 * says that it was, even if no more is left of that.
 */
function unfinished(file: Buffer, from: number, counter: number): ReadResult {
  for (let at = from; at + HEADER_BYTES <= file.length; at += SECTOR)
    if (headerIsSound(file, at) && file.readUInt32LE(at + 8) > counter)
      return damage(`parts of a frame are missing, but frame ${file.readUInt32LE(at + 8)} follows`);
  return torn;
}

function headerIsSound(file: Buffer, offset: number): boolean {
  return crc32c(file.subarray(offset + 4, offset + HEADER_BYTES)) === file.readUInt32LE(offset);
}

function wholeSectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR) * SECTOR;
}

const ZEROS = Buffer.alloc(64 * 1024);

function isZero(file: Buffer, from: number, to: number): boolean {
  const end = Math.min(to, file.length);
  for (let at = from; at < end; at += ZEROS.length) {
    const length = Math.min(ZEROS.length, end - at);
    if (ZEROS.compare(file, at, at + length, 0, length) !== 0) return false;
  }
  return true;
}
