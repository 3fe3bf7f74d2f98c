import { randomBytes } from 'node:crypto';

const ID_LENGTH = 25;

/** Base36 of a big-endian number, padded with zeros or cut (from the left) to `length` digits. */
export function base36(bytes: Uint8Array, length: number): string {
  let n = 0n;
  for (const byte of bytes) n = (n << 8n) | BigInt(byte);
  return n.toString(36).padStart(length, '0').slice(-length);
}

/** A new object id: 25 characters of base36, about 128 random bits. */
export function newId(random: (size: number) => Uint8Array = randomBytes): string {
  return base36(random(17), ID_LENGTH);
}

export function isId(text: string): boolean {
  return /^[0-9a-z]{25}$/.test(text);
}
