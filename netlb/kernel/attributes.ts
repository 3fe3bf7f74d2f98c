import { isIPv4 } from 'node:net';
import { formatAddress, parseAddress } from '../../lib/ip.js';

/**
 * Netlink attributes (linux/netlink.h, struct nlattr): u16 length, u16 type, value, padded to 4 bytes.
 * Numbers are in host order (little-endian here), in network order only where a name says `be`.
 */
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

export const u8 = (value: number): Buffer => Buffer.of(value & 0xff);

// Bytes that are all written need not be cleared before: there are tens of thousands of them.
export function u16(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

export function u16be(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

export function u32be(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function u64be(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** NUL-terminated text. */
export const text = (value: string): Buffer => Buffer.from(`${value}\0`);

/** 4 or 16 bytes. @throws INVALID_ARGUMENT when it is not an address */
export function addressBytes(value: string): Buffer {
  if (isIPv4(value)) return Buffer.from(value.split('.').map(Number));
  const { family, value: number } = parseAddress(value);
  return Buffer.from(number.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}

/** "10.0.1.5" or "fd00::5" of 4 or 16 bytes. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  return formatAddress({ family: 6, value: BigInt(`0x${bytes.toString('hex')}`) });
}

/** 6 bytes of "02:42:0a:00:01:05". */
export const macBytes = (value: string): Buffer => Buffer.from(value.replaceAll(':', ''), 'hex');

/** Tables of neighbours have thousands: no regular expression. */
export function macText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  let text = hex.slice(0, 2);
  for (let at = 2; at < hex.length; at += 2) text += `:${hex.slice(at, at + 2)}`;
  return text;
}

/** One attribute of the given parts joined. */
export function attribute(type: number, ...parts: readonly Buffer[]): Buffer {
  let length = 4;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe((length + 3) & ~3);
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  let offset = 4;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  bytes.fill(0, offset);
  return bytes;
}

/** One attribute whose value is attributes. */
export const nested = (type: number, ...attributes: readonly Buffer[]): Buffer =>
  attribute(type | NLA_F_NESTED, ...attributes);

/** `make` of the value when there is one: for attributes that may be left out. */
export const optional = <T, Made = Buffer>(value: T | undefined, make: (value: T) => Made): Made[] =>
  value === undefined ? [] : [make(value)];

/** The attributes of a message or of a nested attribute, read by type. The last of a type counts. */
export class Attributes {
  readonly #values = new Map<number, Buffer>();

  constructor(bytes: Buffer) {
    let offset = 0;
    while (offset + 4 <= bytes.length) {
      const length = bytes.readUInt16LE(offset);
      if (length < 4 || offset + length > bytes.length) break;
      this.#values.set(bytes.readUInt16LE(offset + 2) & NLA_TYPE_MASK, bytes.subarray(offset + 4, offset + length));
      offset += (length + 3) & ~3;
    }
  }

  has(type: number): boolean {
    return this.#values.has(type);
  }

  bytes(type: number): Buffer | undefined {
    return this.#values.get(type);
  }

  u8(type: number): number | undefined {
    return this.#values.get(type)?.readUInt8(0);
  }

  u16(type: number): number | undefined {
    return this.#values.get(type)?.readUInt16LE(0);
  }

  u16be(type: number): number | undefined {
    return this.#values.get(type)?.readUInt16BE(0);
  }

  u32(type: number): number | undefined {
    return this.#values.get(type)?.readUInt32LE(0);
  }

  u32be(type: number): number | undefined {
    return this.#values.get(type)?.readUInt32BE(0);
  }

  i32(type: number): number | undefined {
    return this.#values.get(type)?.readInt32LE(0);
  }

  /** Up to the first NUL. */
  text(type: number): string | undefined {
    const bytes = this.#values.get(type);
    if (bytes === undefined) return undefined;
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
  }

  address(type: number): string | undefined {
    const bytes = this.#values.get(type);
    return bytes && addressText(bytes);
  }

  mac(type: number): string | undefined {
    const bytes = this.#values.get(type);
    return bytes && macText(bytes);
  }

  nested(type: number): Attributes | undefined {
    const bytes = this.#values.get(type);
    return bytes && new Attributes(bytes);
  }

  /** Values in the order of their types: for lists, whose members have their index as type. */
  *list(): Generator<Buffer> {
    yield* this.#values.values();
  }
}
