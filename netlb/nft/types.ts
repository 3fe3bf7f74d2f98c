/**
 * Types of what rules compare and sets hold, by nft's numbers (libnftables, enum datatypes): the kernel keeps the
 * number of a set's type for whoever lists the set. Pure.
 */
import { addressBytes, addressText, macBytes, macText, u16be } from '../kernel/attributes.js';

export interface DataType {
  readonly name: string;
  readonly number: number;
  /** Bytes. */
  readonly size: number;
  /** How a number lies in them; nft is told when it lists a set. */
  readonly order: 'host' | 'network';
  text(bytes: Buffer): string;
  /** @throws RangeError, or INVALID_ARGUMENT, when the text is no value of the type */
  bytes(text: string): Buffer;
}

/** A whole number that fits `size` bytes, in decimal or as 0x…. @throws RangeError */
export function numberOf(text: string, size: number): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value < 2 ** (8 * size))) throw new RangeError(`"${text}" is not a number of ${size} bytes`);
  return value;
}

function hostNumber(text: string, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntLE(numberOf(text, size), 0, size);
  return bytes;
}

export function networkNumber(text: string, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(numberOf(text, size), 0, size);
  return bytes;
}

/** One of a family. @throws INVALID_ARGUMENT, RangeError */
function addressOfSize(text: string, size: number): Buffer {
  const bytes = addressBytes(text);
  if (bytes.length !== size) throw new RangeError(`"${text}" is not an address of ${size} bytes`);
  return bytes;
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** @throws RangeError */
function mac(text: string): Buffer {
  if (!MAC.test(text)) throw new RangeError(`"${text}" is not a MAC address`);
  return macBytes(text);
}

const hostText = (bytes: Buffer): string => String(bytes.readUIntLE(0, bytes.length));
const networkText = (bytes: Buffer): string => String(bytes.readUIntBE(0, bytes.length));

/** What sets of ours have. */
export const setTypes = {
  ipv4_addr: {
    ...{ name: 'ipv4_addr', number: 7, size: 4, order: 'network', text: addressText },
    bytes: (text) => addressOfSize(text, 4),
  },
  ipv6_addr: {
    ...{ name: 'ipv6_addr', number: 8, size: 16, order: 'network', text: addressText },
    bytes: (text) => addressOfSize(text, 16),
  },
  ether_addr: { name: 'ether_addr', number: 9, size: 6, order: 'network', text: macText, bytes: mac },
  inet_proto: {
    ...{ name: 'inet_proto', number: 12, size: 1, order: 'host', text: hostText },
    bytes: (text) => hostNumber(text, 1),
  },
  inet_service: {
    ...{ name: 'inet_service', number: 13, size: 2, order: 'network', text: networkText },
    bytes: (text) => u16be(numberOf(text, 2)),
  },
  // In host order, as packets' marks are.
  mark: {
    ...{ name: 'mark', number: 19, size: 4, order: 'host', text: hostText },
    bytes: (text) => hostNumber(text, 4),
  },
} as const satisfies Readonly<Record<string, DataType>>;

const byNumber = new Map<number, DataType>(Object.values(setTypes).map((type) => [type.number, type]));
const byName = new Map<string, DataType>(Object.values(setTypes).map((type) => [type.name, type]));

/** nft's number of a map's verdicts. */
export const VERDICT_TYPE = 0xffffff00;

/** A set's type: of several, joined six bits at a time. Undefined when it is none of ours. */
export function typesOf(number: number): DataType[] | undefined {
  const types: (DataType | undefined)[] = [];
  for (let rest = number; rest > 0; rest >>>= 6) types.unshift(byNumber.get(rest & 0x3f));
  return types.every((type) => type !== undefined) ? types : undefined;
}

/** The number of a set's type. */
export const typeNumber = (types: readonly Pick<DataType, 'number'>[]): number =>
  types.reduce((number, type) => (number << 6) | type.number, 0);

/** The types of a key as `nft` writes it: `mark . ipv4_addr`. @throws TypeError for one that is none of ours */
export function typesNamed(key: string): DataType[] {
  return key.split(' . ').map((name) => {
    const type = byName.get(name);
    if (!type) throw new TypeError(`no set of ours has keys of type ${name}`);
    return type;
  });
}

/** Parts of a concatenation fill 32-bit registers. */
const padded = (size: number): number => (size + 3) & ~3;

/** Bytes of a value: a single one has its own size, parts of a concatenation are padded. */
export const sizeOf = (types: readonly Pick<DataType, 'size'>[]): number => {
  const [only] = types;
  return only && types.length === 1 ? only.size : types.reduce((sum, { size }) => sum + padded(size), 0);
};

export function textOf(types: readonly DataType[], bytes: Buffer): string {
  let offset = 0;
  return types
    .map(({ size, text }) => {
      const part = text(bytes.subarray(offset, offset + size));
      offset += padded(size);
      return part;
    })
    .join(' . ');
}

/** @param text parts joined by ` . ` @throws RangeError, INVALID_ARGUMENT when it is no value of the types */
export function bytesOf(types: readonly DataType[], text: string): Buffer {
  const [only] = types;
  if (only && types.length === 1) return only.bytes(text);
  const parts = text.split(' . ');
  if (parts.length !== types.length) throw new RangeError(`"${text}" has ${parts.length} parts, not ${types.length}`);
  const bytes = Buffer.alloc(sizeOf(types));
  let offset = 0;
  types.forEach((type, i) => {
    type.bytes(parts[i] ?? '').copy(bytes, offset);
    offset += padded(type.size);
  });
  return bytes;
}
