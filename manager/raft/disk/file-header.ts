import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { internal } from '../../../lib/errors.js';
import { crc32c } from './crc32c.js';
import { FileKey, type KeyRing, SALT_BYTES, type StorageKey } from './file-key.js';
import { damaged, type FileId, fileName } from './files.js';
import { FILLER, SECTOR } from './frame.js';

/**
 * The first sector of a file, numbers little-endian:
 *
 *     8 bytes magic, with the version of the format · 8 bytes id of the storage key · 32 bytes salt
 *     u64 · u64: the numbers of its name · u32 CRC32C of all this
 *
 * The frames follow from the next sector on.
 */
export const FIRST_FRAME = SECTOR;
const MAGIC = { wal: Buffer.from('tsswwal2'), snapshot: Buffer.from('tsswsnp2') };
const SALT_AT = 16;
const NUMBERS_AT = SALT_AT + SALT_BYTES;
const CRC_AT = NUMBERS_AT + 16;
const HEADER_BYTES = CRC_AT + 4;

const purpose = (id: FileId): string => `tsswarm raft ${id.kind}`;

/** The header of a new file, and what seals its frames. */
export function newHeader(id: FileId, key: StorageKey): { readonly sector: Buffer; readonly fileKey: FileKey } {
  const sector = Buffer.alloc(SECTOR, FILLER);
  const salt = randomBytes(SALT_BYTES);
  MAGIC[id.kind].copy(sector);
  sector.write(key.id, 8, 'hex');
  sector.set(salt, SALT_AT);
  id.numbers.forEach((number, i) => {
    sector.writeBigUInt64LE(BigInt(number), NUMBERS_AT + 8 * i);
  });
  sector.writeUInt32LE(crc32c(sector.subarray(0, CRC_AT)), CRC_AT);
  return { sector, fileKey: new FileKey(key, purpose(id), salt, sector.subarray(0, HEADER_BYTES)) };
}

/**
 * What opens the frames of a file that begins with `head`.
 * @throws INTERNAL for damage, with file and offset; when the key is not in the ring
 */
export function openHeader(folder: string, id: FileId, head: Buffer, keys: KeyRing): FileKey {
  const file = path.join(folder, fileName(id));
  if (head.length < FIRST_FRAME) throw damaged(file, head.length, 'it ends within its header');
  const header = Buffer.from(head.subarray(0, HEADER_BYTES));
  if (!header.subarray(0, 8).equals(MAGIC[id.kind])) throw damaged(file, 0, `it does not begin as a ${id.kind} file`);
  if (crc32c(header.subarray(0, CRC_AT)) !== header.readUInt32LE(CRC_AT))
    throw damaged(file, 0, 'its header does not match its checksum');
  const numbers = [0, 1].map((i) => Number(header.readBigUInt64LE(NUMBERS_AT + 8 * i))) as [number, number];
  const named = fileName({ kind: id.kind, numbers });
  if (named !== fileName(id)) throw damaged(file, NUMBERS_AT, `its header says that it is ${named}`);
  const keyId = header.toString('hex', 8, SALT_AT);
  const key = keys.find((candidate) => candidate.id === keyId);
  if (!key) {
    throw internal(`${file} is sealed with key ${keyId}, which this manager does not have`, {
      value: keyId,
      hint: 'Restore the key file that belongs to this folder.',
    });
  }
  return new FileKey(key, purpose(id), header.subarray(SALT_AT, NUMBERS_AT), header);
}
