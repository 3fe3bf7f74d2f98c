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

/** An id of one call of an operator: 10 characters of base36, short enough to go along with all that it changes. */
export function newRequestId(random: (size: number) => Uint8Array = randomBytes): string {
  return base36(random(8), 10);
}

/** Whether a caller's own id of its call can be taken: it goes into objects and logs. */
export function isRequestId(text: string): boolean {
  return /^[\w.:-]{1,64}$/.test(text);
}

export function isId(text: string): boolean {
  return /^[0-9a-z]{25}$/.test(text);
}
