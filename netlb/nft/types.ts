/**
 * Types of what rules compare and sets hold, by nft's numbers (libnftables, enum datatypes): the kernel keeps the
 * number of a set's type for whoever lists the set. Pure.
 */
import { addressBytes, addressText, macBytes, macText } from '../kernel/attributes.js';

export interface DataType {
  readonly name: string;
  readonly number: number;
  /** Bytes. */
  readonly size: number;
  /** How a number lies in them; nft is told when it lists a set. */
  readonly order: 'host' | 'network';
  text(bytes: Buffer): string;
  /** Puts what the text says where there is room for it. @throws RangeError, or INVALID_ARGUMENT, when it is no value of the type */
  write(text: string, into: Buffer, at: number): void;
  /** @throws as write */
  bytes(text: string): Buffer;
}

/** A whole number that fits `size` bytes, in decimal or as 0x…. @throws RangeError */
export function numberOf(text: string, size: number): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value < 2 ** (8 * size))) throw new RangeError(`"${text}" is not a number of ${size} bytes`);
  return value;
}

function dataType(what: Omit<DataType, 'bytes'>): DataType {
  return {
    ...what,
    bytes(text) {
      const bytes = Buffer.alloc(what.size);
      what.write(text, bytes, 0);
      return bytes;
    },
  };
}

/** A number in decimal. */
function numeric(name: string, number: number, size: number, order: 'host' | 'network'): DataType {
  return order === 'host'
    ? dataType({
        ...{ name, number, size, order, text: (bytes) => String(bytes.readUIntLE(0, size)) },
        write: (text, into, at) => void into.writeUIntLE(numberOf(text, size), at, size),
      })
    : dataType({
        ...{ name, number, size, order, text: (bytes) => String(bytes.readUIntBE(0, size)) },
        write: (text, into, at) => void into.writeUIntBE(numberOf(text, size), at, size),
      });
}

/** An address of one family. */
function address(name: string, number: number, size: 4 | 16): DataType {
  return dataType({
    ...{ name, number, size, order: 'network', text: addressText },
    write(text, into, at) {
      if (size === 4 && writeIpv4(text, into, at)) return;
      const bytes = addressBytes(text);
      if (bytes.length !== size) throw new RangeError(`"${text}" is not an address of ${size} bytes`);
      into.set(bytes, at);
    },
  });
}

const DOT = 46;

/** Sets have tens of thousands of them: nothing is made on the way. @returns whether it is one, as the kernel writes it */
function writeIpv4(text: string, into: Buffer, at: number): boolean {
  let [byte, digits, index] = [0, 0, 0];
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : DOT;
    if (code === DOT) {
      if (digits === 0 || byte > 255 || index > 3) return false;
      into[at + index++] = byte;
      [byte, digits] = [0, 0];
    } else {
      if (code < 48 || code > 57 || ++digits > 3) return false;
      byte = byte * 10 + code - 48;
    }
  }
  return index === 4;
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** What sets of ours have. */
export const setTypes = {
  ipv4_addr: address('ipv4_addr', 7, 4),
  ipv6_addr: address('ipv6_addr', 8, 16),
  ether_addr: dataType({
    ...{ name: 'ether_addr', number: 9, size: 6, order: 'network', text: macText },
    write(text, into, at) {
      if (!MAC.test(text)) throw new RangeError(`"${text}" is not a MAC address`);
      into.set(macBytes(text), at);
    },
  }),
  inet_proto: numeric('inet_proto', 12, 1, 'host'),
  inet_service: numeric('inet_service', 13, 2, 'network'),
  // In host order, as packets' marks are.
  mark: numeric('mark', 19, 4, 'host'),
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

/**
 * Puts a value where there is room for it, which is clear.
 * @param text parts joined by ` . `
 * @throws RangeError, INVALID_ARGUMENT when it is no value of the types
 */
export function writeValue(types: readonly DataType[], text: string, into: Buffer, at: number): void {
  const [only] = types;
  if (only && types.length === 1) {
    only.write(text, into, at);
    return;
  }
  const parts = text.split(' . ');
  if (parts.length !== types.length) throw new RangeError(`"${text}" has ${parts.length} parts, not ${types.length}`);
  let offset = at;
  for (const [i, type] of types.entries()) {
    type.write(parts[i] ?? '', into, offset);
    offset += padded(type.size);
  }
}

/** The same by itself. */
export function bytesOf(types: readonly DataType[], text: string): Buffer {
  const bytes = Buffer.alloc(sizeOf(types));
  writeValue(types, text, bytes, 0);
  return bytes;
}
