/** Expressions of rules (linux/netfilter/nf_tables.h): each does one thing, with values in registers. Pure. */
import { remembered } from '../../../lib/remembered.js';
import { attribute, nested, text, u8, u32be, u64be } from '../../kernel/attributes.js';
import {
  type Header,
  headers,
  NFT_FIB_RESULT_ADDRTYPE,
  NFT_GOTO,
  NFT_JUMP,
  NFT_RT_XFRM,
  NFTA_COUNTER_BYTES,
  NFTA_COUNTER_PACKETS,
  NFTA_DATA_VALUE,
  NFTA_DATA_VERDICT,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_FIB_F_DADDR,
  NFTA_LIST_ELEM,
  NFTA_VERDICT_CHAIN,
  NFTA_VERDICT_CODE,
  verdicts,
} from '../nf-tables.js';
import type { Count } from '../table.js';

/** One of a rule's, as its list has it. */
export type Expression = Buffer;

/** The register that takes a verdict. */
const VERDICT = 0;

/**
 * The register that begins at a byte of their room, a multiple of 4: those of 16 bytes have the numbers from 1, those of
 * 4 from 8.
 */
export const registerAt = (offset: number): number => (offset % 16 === 0 ? 1 + offset / 16 : 8 + offset / 4);

/** An attribute as it lies in a message, or one that is to hold a number in network order. */
type Part = Buffer | readonly [type: number, value: number];

const number = (type: number, value: number): Part => [type, value];

const HEADER = 4;
const NUMBER = 8;

/** What every expression of a name begins with, but for the lengths of the whole and of its data. */
const headOf = remembered((name) =>
  Buffer.concat([nested(NFTA_LIST_ELEM, attribute(NFTA_EXPR_NAME, text(name))), nested(NFTA_EXPR_DATA)]),
);

/** Written in one go: a rule has a dozen, of half a dozen attributes each. */
function expression(name: string, ...parts: readonly Part[]): Expression {
  const head = headOf(name);
  let length = head.length;
  for (const part of parts) length += Buffer.isBuffer(part) ? part.length : NUMBER;
  const bytes = Buffer.allocUnsafe(length);
  bytes.set(head);
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(length - head.length + HEADER, head.length - HEADER);
  let offset = head.length;
  for (const part of parts) {
    if (Buffer.isBuffer(part)) {
      bytes.set(part, offset);
      offset += part.length;
    } else {
      bytes.writeUInt16LE(NUMBER, offset);
      bytes.writeUInt16LE(part[0], offset + 2);
      bytes.writeUInt32BE(part[1] >>> 0, offset + 4);
      offset += NUMBER;
    }
  }
  return bytes;
}

/** Of each element of a counted set: as of a list, but not in one. */
export const counter: readonly Buffer[] = [attribute(NFTA_EXPR_NAME, text('counter')), nested(NFTA_EXPR_DATA)];

/** The same of one element, which has counted so much before. */
export const counterFrom = ({ packets, bytes }: Count): readonly Buffer[] => [
  attribute(NFTA_EXPR_NAME, text('counter')),
  nested(NFTA_EXPR_DATA, attribute(NFTA_COUNTER_BYTES, u64be(bytes)), attribute(NFTA_COUNTER_PACKETS, u64be(packets))),
];

/** A value, in an attribute of the given type. */
export const dataOf = (type: number, bytes: Buffer): Buffer => nested(type, attribute(NFTA_DATA_VALUE, bytes));

export type Verdict =
  | { readonly kind: keyof typeof verdicts }
  | { readonly kind: 'goto' | 'jump'; readonly chain: string };

const code = (value: number): Buffer => attribute(NFTA_VERDICT_CODE, u32be(value));

/** A verdict, in an attribute of the given type. */
export function verdictOf(type: number, verdict: Verdict): Buffer {
  if (verdict.kind !== 'goto' && verdict.kind !== 'jump')
    return nested(type, nested(NFTA_DATA_VERDICT, code(verdicts[verdict.kind])));
  const way = code(verdict.kind === 'goto' ? NFT_GOTO : NFT_JUMP);
  return nested(type, nested(NFTA_DATA_VERDICT, way, attribute(NFTA_VERDICT_CHAIN, text(verdict.chain))));
}

/** NFTA_META_DREG, _KEY. */
export const loadMeta = (key: number, to: number): Expression => expression('meta', number(1, to), number(2, key));
/** NFTA_META_KEY, _SREG. */
export const setMeta = (key: number, from: number): Expression => expression('meta', number(2, key), number(3, from));

/** NFTA_CT_DREG, _KEY, _DIRECTION. @param direction of a key that each has one of */
export const loadCt = (key: number, to: number, direction?: number): Expression =>
  expression('ct', number(1, to), number(2, key), ...(direction === undefined ? [] : [attribute(3, u8(direction))]));
/** NFTA_CT_KEY, _DIRECTION, _SREG. @param direction of a key that each has one of */
export const setCt = (key: number, from: number, direction: number | undefined): Expression =>
  expression('ct', number(2, key), ...(direction === undefined ? [] : [attribute(3, u8(direction))]), number(4, from));

/** NFTA_RT_DREG, _KEY. */
export const loadRouteIpsec = (to: number): Expression => expression('rt', number(1, to), number(2, NFT_RT_XFRM));
/** NFTA_FIB_DREG, _RESULT, _FLAGS. */
export const loadDestinationType = (to: number): Expression =>
  expression('fib', number(1, to), number(2, NFT_FIB_RESULT_ADDRTYPE), number(3, NFTA_FIB_F_DADDR));

/** Where something is in a packet, in bytes. */
export interface Place {
  readonly header: Header;
  readonly offset: number;
  readonly length: number;
}

/** NFTA_PAYLOAD_BASE, _OFFSET, _LEN. */
const place = ({ header, offset, length }: Place): Part[] => [
  number(2, headers[header]),
  number(3, offset),
  number(4, length),
];
/** NFTA_PAYLOAD_DREG. */
export const loadPayload = (where: Place, to: number): Expression =>
  expression('payload', number(1, to), ...place(where));

/** NFTA_PAYLOAD_SREG, _CSUM_TYPE (NFT_PAYLOAD_CSUM_INET), _CSUM_OFFSET. @param checksum where in the header it is */
export const setPayload = (where: Place, from: number, checksum: number | undefined): Expression =>
  expression(
    'payload',
    number(5, from),
    ...place(where),
    ...(checksum === undefined ? [] : [number(6, 1), number(7, checksum)]),
  );

/** NFTA_NG_DREG, _MODULUS, _TYPE (NFT_NG_INCREMENTAL), _OFFSET. */
export const countUp = (modulus: number, to: number): Expression =>
  expression('numgen', number(1, to), number(2, modulus), number(3, 0), number(4, 0));

/** NFTA_HASH_SREG, _DREG, _LEN, _MODULUS, _SEED, _OFFSET, _TYPE (NFT_HASH_JENKINS). */
export const jhash = (from: number, length: number, modulus: number, seed: number, to: number): Expression =>
  expression(
    'hash',
    number(1, from),
    number(2, to),
    number(3, length),
    number(4, modulus),
    number(5, seed),
    number(6, 0),
    number(7, 0),
  );

export type Comparison = 'equal' | 'unequal';

/** NFTA_CMP_SREG, _OP, _DATA. */
export const compare = (register: number, comparison: Comparison, bytes: Buffer): Expression =>
  expression('cmp', number(1, register), number(2, comparison === 'equal' ? 0 : 1), dataOf(3, bytes));

/** NFTA_BITWISE_SREG, _DREG, _LEN, _MASK, _XOR. */
export const mask = (register: number, bits: Buffer): Expression =>
  expression(
    'bitwise',
    number(1, register),
    number(2, register),
    number(3, bits.length),
    dataOf(4, bits),
    dataOf(5, Buffer.alloc(bits.length)),
  );

/** A set that a rule looks into: a named one, or one of its own, which only its id tells from others. */
export interface SetReference {
  readonly name: string;
  readonly id?: number;
}

/** NFTA_LOOKUP_SET, _SREG, _DREG, _SET_ID, _FLAGS (NFT_LOOKUP_F_INV). */
export const lookUp = (
  { name, id }: SetReference,
  from: number,
  { to, inverted = false }: { readonly to?: number; readonly inverted?: boolean } = {},
): Expression =>
  expression(
    'lookup',
    attribute(1, text(name)),
    number(2, from),
    ...(to === undefined ? [] : [number(3, to)]),
    ...(id === undefined ? [] : [number(4, id)]),
    ...(inverted ? [number(5, 1)] : []),
  );

/** The verdict that a map has for a value. */
export const lookUpVerdict = (set: SetReference, from: number): Expression => lookUp(set, from, { to: VERDICT });

/** NFTA_DYNSET_SET_NAME, _OP (NFT_DYNSET_OP_*), _SREG_KEY, _SREG_DATA. */
export const learn = (set: string, operation: 'add' | 'update', key: number, data: number | undefined): Expression =>
  expression(
    'dynset',
    attribute(1, text(set)),
    number(3, operation === 'add' ? 0 : 1),
    number(4, key),
    ...(data === undefined ? [] : [number(5, data)]),
  );

/** NFTA_IMMEDIATE_DREG, _DATA. */
export const constant = (bytes: Buffer, to: number): Expression =>
  expression('immediate', number(1, to), dataOf(2, bytes));
export const verdict = (what: Verdict): Expression => expression('immediate', number(1, VERDICT), verdictOf(2, what));

/** What a translation takes from registers. */
export interface Translation {
  readonly kind: 'dnat' | 'snat';
  /** NFPROTO_*. */
  readonly family: number;
  readonly address: number;
  readonly port?: number | undefined;
  /** Whether the rule gives the port itself. */
  readonly isPortGiven?: boolean;
}

const NF_NAT_RANGE_PROTO_SPECIFIED = 2;

/** NFTA_NAT_TYPE, _FAMILY, _REG_ADDR_MIN, _REG_PROTO_MIN, _FLAGS. */
export const translate = ({ kind, family, address, port, isPortGiven }: Translation): Expression =>
  expression(
    'nat',
    number(1, kind === 'snat' ? 0 : 1),
    number(2, family),
    number(3, address),
    ...(port === undefined ? [] : [number(5, port)]),
    ...(isPortGiven ? [number(7, NF_NAT_RANGE_PROTO_SPECIFIED)] : []),
  );

export const masquerade: Expression = expression('masq');

/** It has no attributes at all. */
export const notrack: Expression = nested(NFTA_LIST_ELEM, attribute(NFTA_EXPR_NAME, text('notrack')));

/** NFTA_REJECT_TYPE, _ICMP_CODE. */
export const rejectByReset: Expression = expression('reject', number(1, 1), attribute(2, u8(0)));
export const rejectByIcmp = (code: number): Expression => expression('reject', number(1, 0), attribute(2, u8(code)));
