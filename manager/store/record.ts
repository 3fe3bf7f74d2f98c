import { crc32 } from 'node:zlib';
import { internal } from '../../lib/errors.js';

/**
 * The framing of log segments and snapshots. A file is an 8-byte magic and then records, all numbers
 * little-endian:
 *
 *     u32 crc of the next 20 bytes · u32 body length · u32 crc of the body · u32 count · u64 first index
 *     body: count times (u32 length, bytes)
 *
 * One record is what one fdatasync made durable, and the next is not begun before. So only the last
 * record of a log can be torn by a crash: damage anywhere else is damage to acknowledged data.
 */
export const HEADER_BYTES = 24;
export const MAGIC_BYTES = 8;
const SECTOR = 512;

export interface LogRecord {
  readonly firstIndex: number;
  readonly payloads: readonly Buffer[];
  /** Offset of the byte after it. */
  readonly end: number;
}

export function encodeRecord(firstIndex: number, payloads: readonly Uint8Array[]): Buffer {
  const length = payloads.reduce((sum, payload) => sum + 4 + payload.length, 0);
  const record = Buffer.allocUnsafe(HEADER_BYTES + length);
  let at = HEADER_BYTES;
  for (const payload of payloads) {
    at = record.writeUInt32LE(payload.length, at);
    record.set(payload, at);
    at += payload.length;
  }
  record.writeUInt32LE(length, 4);
  record.writeUInt32LE(crc32(record.subarray(HEADER_BYTES)), 8);
  record.writeUInt32LE(payloads.length, 12);
  record.writeBigUInt64LE(BigInt(firstIndex), 16);
  record.writeUInt32LE(crc32(record.subarray(4, HEADER_BYTES)), 0);
  return record;
}

/** What stands at an offset: a record, the beginning of one that was never finished, or damage. */
export type ReadResult = LogRecord | 'torn' | 'damaged';

export function readRecord(file: Buffer, offset: number): ReadResult {
  if (file.length - offset < HEADER_BYTES) return 'torn';
  if (!headerIsSound(file, offset)) return tornOrDamaged(file, offset);
  const bodyStart = offset + HEADER_BYTES;
  const end = bodyStart + file.readUInt32LE(offset + 4);
  if (end > file.length) return 'torn';
  const body = file.subarray(bodyStart, end);
  if (crc32(body) !== file.readUInt32LE(offset + 8)) return tornOrDamaged(file, offset);
  const payloads: Buffer[] = [];
  for (let at = 0, left = file.readUInt32LE(offset + 12); left > 0; left--) {
    const length = body.readUInt32LE(at);
    payloads.push(body.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { firstIndex: Number(file.readBigUInt64LE(offset + 16)), payloads, end };
}

function headerIsSound(file: Buffer, offset: number): boolean {
  return crc32(file.subarray(offset + 4, offset + HEADER_BYTES)) === file.readUInt32LE(offset);
}

/**
 * After a power failure a file can have its new length before it has its new bytes: the sectors that
 * were not written read as zeros. Such a record is torn, if none follows; any other mismatch is damage.
 */
function tornOrDamaged(file: Buffer, offset: number): 'torn' | 'damaged' {
  for (let at = offset + 1; at + HEADER_BYTES <= file.length; at++) if (headerIsSound(file, at)) return 'damaged';
  for (let at = offset; at < file.length; ) {
    const next = Math.min(file.length, (Math.floor(at / SECTOR) + 1) * SECTOR);
    if (next - at >= HEADER_BYTES && file.subarray(at, next).every((byte) => byte === 0)) return 'torn';
    at = next;
  }
  return 'damaged';
}

export function damaged(file: string, offset: number, what: string) {
  return internal(`${file} is damaged at offset ${offset}: ${what}`, {
    value: file,
    hint: 'Acknowledged data would be lost by going on. Restore the folder from a backup, or check the disk.',
  });
}
