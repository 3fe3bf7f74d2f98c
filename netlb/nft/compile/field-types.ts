/** Types of what rules compare that no set of ours has as its own (libnftables, enum datatypes). Pure. */
import { type DataType, numberOf } from '../types.js';
import { NftSyntaxError } from './syntax.js';

export type FieldType = Pick<DataType, 'number' | 'size' | 'order' | 'bytes'> & {
  /** Its values are bits: one matches when any of them is set. */
  readonly isBits?: true;
};

/** Values by their names, or as numbers; bits joined by commas. */
function symbols(what: Omit<FieldType, 'bytes'>, values: Readonly<Record<string, number>>): FieldType {
  const bitsOf = (word: string): number => values[word] ?? numberOf(word, what.size);
  return {
    ...what,
    bytes(text) {
      const value = (what.isBits ? text.split(',') : [text]).reduce((all, word) => all | bitsOf(word), 0);
      const bytes = Buffer.alloc(what.size);
      if (what.order === 'host') bytes.writeUIntLE(value, 0, what.size);
      else bytes.writeUIntBE(value, 0, what.size);
      return bytes;
    },
  };
}

export const ethertype = symbols({ number: 10, size: 2, order: 'network' }, { ip: 0x0800, ip6: 0x86dd });
export const icmpType = symbols({ number: 14, size: 1, order: 'network' }, { 'echo-request': 8 });
export const icmpv6Type = symbols(
  { number: 29, size: 1, order: 'network' },
  { 'echo-request': 128, 'nd-neighbor-solicit': 135, 'nd-neighbor-advert': 136 },
);
export const ctState = symbols(
  { number: 26, size: 4, order: 'host', isBits: true },
  { invalid: 1, established: 2, related: 4, new: 8 },
);
export const ctStatus = symbols({ number: 28, size: 4, order: 'host', isBits: true }, { confirmed: 8, dnat: 32 });
export const ctDirection = symbols({ number: 27, size: 1, order: 'host' }, { original: 0, reply: 1 });
/** RTN_LOCAL. */
export const addressKind = symbols({ number: 39, size: 4, order: 'host' }, { local: 2 });
export const presence = symbols({ number: 44, size: 1, order: 'host' }, { missing: 0, exists: 1 });
export const zone = symbols({ number: 4, size: 2, order: 'host' }, {});

const IFNAMSIZ = 16;

/** In quotes. One that ends in "*" stands for all that begin so, and has as many bytes as that. */
export const interfaceName: FieldType = {
  ...{ number: 41, size: IFNAMSIZ, order: 'host' },
  bytes(text) {
    const [, name, wild] = /^"([^"*]+)(\*?)"$/.exec(text) ?? [];
    if (name === undefined || Buffer.byteLength(name) >= IFNAMSIZ)
      throw new NftSyntaxError(`${text} is not the name of an interface in quotes`);
    return wild === '*' ? Buffer.from(name) : Buffer.concat([Buffer.from(name)], IFNAMSIZ);
  },
};

/** Bits of a packet that have no name. */
export const rawBits = (size: number): FieldType => ({
  ...{ number: 4, size, order: 'network' },
  bytes(text) {
    const bytes = Buffer.alloc(size);
    bytes.writeUIntBE(numberOf(text, size), 0, size);
    return bytes;
  },
});
