/** Messages that make sets and fill them. Pure. */
import { attribute, nested, optional, text, u32, u32be, u64be } from '../../kernel/attributes.js';
import { type NetlinkRequest, NLM_F_CREATE } from '../../kernel/messages.js';
import { NFNL_SUBSYS_NFTABLES, nfRequest } from '../../kernel/nfnetlink.js';
import {
  families,
  NFT_MSG_DELSETELEM,
  NFT_MSG_NEWSET,
  NFT_MSG_NEWSETELEM,
  NFT_SET_ANONYMOUS,
  NFT_SET_ELEM_INTERVAL_END,
  NFT_SET_MAP,
  NFTA_LIST_ELEM,
  NFTA_SET_DATA_LEN,
  NFTA_SET_DATA_TYPE,
  NFTA_SET_DESC,
  NFTA_SET_DESC_SIZE,
  NFTA_SET_ELEM_DATA,
  NFTA_SET_ELEM_EXPR,
  NFTA_SET_ELEM_FLAGS,
  NFTA_SET_ELEM_KEY,
  NFTA_SET_ELEM_LIST_ELEMENTS,
  NFTA_SET_ELEM_LIST_SET,
  NFTA_SET_ELEM_LIST_SET_ID,
  NFTA_SET_EXPR,
  NFTA_SET_FLAGS,
  NFTA_SET_GC_INTERVAL,
  NFTA_SET_ID,
  NFTA_SET_KEY_LEN,
  NFTA_SET_KEY_TYPE,
  NFTA_SET_NAME,
  NFTA_SET_TIMEOUT,
  NFTA_SET_USERDATA,
  NFTA_TABLE,
} from '../nf-tables.js';
import type { Count, TableFamily } from '../table.js';
import { type DataType, sizeOf, typeNumber, VERDICT_TYPE } from '../types.js';
import { counter, counterFrom, dataOf, type SetReference, type Verdict, verdictOf } from './expressions.js';
import { userdata } from './userdata.js';

export interface TableReference {
  readonly family: TableFamily;
  readonly name: string;
}

/** Of what type the keys and values are. */
export type Kind = Pick<DataType, 'number' | 'size' | 'order'>;

export interface SetDefinition {
  readonly name: string;
  readonly id: number;
  /** NFT_SET_*, without NFT_SET_MAP. */
  readonly flags: number;
  readonly key: readonly Kind[];
  /** Of a map. */
  readonly value: readonly Kind[] | 'verdict' | undefined;
  /** As many elements as it may have, or has. */
  readonly size?: number | undefined;
  /** Seconds. */
  readonly timeout?: number | undefined;
  /** Seconds between two rounds for what has timed out. */
  readonly rounds?: number | undefined;
  readonly counted?: boolean;
  /** Tells nft what a single field is whose values are the keys. */
  readonly description?: Buffer | undefined;
  /** nft shows elements that touch as one. */
  readonly merges?: boolean;
}

export interface SetElement {
  readonly key: Buffer;
  readonly value?: Buffer | Verdict;
  /** Of a counted set, of one that begins with more than nothing. */
  readonly count?: Count;
  /** The first that is no longer in the interval before. */
  readonly isEnd?: boolean;
}

/** libnftables, enum byteorder: 0 for what has parts of both, or is no number. */
function orderOf(of: readonly Kind[] | 'verdict'): number {
  if (of === 'verdict' || of.length > 1) return 0;
  return of[0]?.order === 'host' ? 1 : 2;
}

/** libnftables, enum expr_types: EXPR_CONCAT. */
const CONCATENATION = userdata([
  [0, u32(13)],
  [1, Buffer.alloc(0)],
]);

/** What nft keeps with a set, to list it as it was written (libnftables, enum udata_set_type). */
function userdataOf({ flags, key, value, description, merges }: SetDefinition): Buffer {
  const ofKey = description ?? (key.length > 1 ? CONCATENATION : undefined);
  const isConcatenated = value !== undefined && value !== 'verdict' && value.length > 1;
  const ofValue = isConcatenated && !(flags & NFT_SET_ANONYMOUS) ? CONCATENATION : undefined;
  return userdata([
    [0, u32(orderOf(key))],
    ...optional(value, (it) => [1, u32(orderOf(it))] as const),
    ...(merges ? [[2, u32(1)] as const] : []),
    ...optional(ofKey, (it) => [3, it] as const),
    ...optional(ofValue, (it) => [4, it] as const),
    ...optional(value, () => [6, u32(0)] as const),
  ]);
}

function valueType(value: NonNullable<SetDefinition['value']>): Buffer[] {
  const [type, size] = value === 'verdict' ? [VERDICT_TYPE, 0] : [typeNumber(value), sizeOf(value)];
  return [attribute(NFTA_SET_DATA_TYPE, u32be(type)), attribute(NFTA_SET_DATA_LEN, u32be(size))];
}

export function newSet(table: TableReference, set: SetDefinition): NetlinkRequest {
  const { name, id, flags, key, value, size, timeout, rounds, counted } = set;
  return nfRequest(
    NFNL_SUBSYS_NFTABLES,
    NFT_MSG_NEWSET,
    NLM_F_CREATE,
    families[table.family],
    attribute(NFTA_TABLE, text(table.name)),
    attribute(NFTA_SET_NAME, text(name)),
    attribute(NFTA_SET_FLAGS, u32be(value === undefined ? flags : flags | NFT_SET_MAP)),
    attribute(NFTA_SET_KEY_TYPE, u32be(typeNumber(key))),
    attribute(NFTA_SET_KEY_LEN, u32be(sizeOf(key))),
    ...(value === undefined ? [] : valueType(value)),
    attribute(NFTA_SET_ID, u32be(id)),
    ...optional(size, (count) => nested(NFTA_SET_DESC, attribute(NFTA_SET_DESC_SIZE, u32be(count)))),
    ...optional(timeout, (seconds) => attribute(NFTA_SET_TIMEOUT, u64be(seconds * 1000))),
    ...optional(rounds, (seconds) => attribute(NFTA_SET_GC_INTERVAL, u32be(seconds * 1000))),
    attribute(NFTA_SET_USERDATA, userdataOf(set)),
    ...(counted ? [nested(NFTA_SET_EXPR, ...counter)] : []),
  );
}

/** Bytes of one message's elements: a list's length is a number of 16 bits. */
const MESSAGE_SIZE = 60_000;

/** Messages that put elements into a set, or take them out of it: as many as they need. */
export function elementRequests(
  table: TableReference,
  { name, id }: SetReference,
  elements: readonly EncodedElement[],
  operation: 'add' | 'delete',
): NetlinkRequest[] {
  const [type, flags] = operation === 'add' ? [NFT_MSG_NEWSETELEM, NLM_F_CREATE] : [NFT_MSG_DELSETELEM, 0];
  const head = [
    attribute(NFTA_TABLE, text(table.name)),
    attribute(NFTA_SET_ELEM_LIST_SET, text(name)),
    ...optional(id, (number) => attribute(NFTA_SET_ELEM_LIST_SET_ID, u32be(number))),
  ];
  return inMessages(elements).map((group) =>
    nfRequest(
      NFNL_SUBSYS_NFTABLES,
      type,
      flags,
      families[table.family],
      ...head,
      nested(NFTA_SET_ELEM_LIST_ELEMENTS, ...group),
    ),
  );
}

/** An element as a message has it. */
export type EncodedElement = Buffer;

export function encodeElement({ key, value, count, isEnd }: SetElement): EncodedElement {
  return nested(
    NFTA_LIST_ELEM,
    ...(isEnd ? [attribute(NFTA_SET_ELEM_FLAGS, u32be(NFT_SET_ELEM_INTERVAL_END))] : []),
    dataOf(NFTA_SET_ELEM_KEY, key),
    ...optional(value, (it) =>
      Buffer.isBuffer(it) ? dataOf(NFTA_SET_ELEM_DATA, it) : verdictOf(NFTA_SET_ELEM_DATA, it),
    ),
    ...optional(count, (it) => nested(NFTA_SET_ELEM_EXPR, ...counterFrom(it))),
  );
}

function inMessages(elements: readonly EncodedElement[]): EncodedElement[][] {
  const groups: Buffer[][] = [];
  let size = MESSAGE_SIZE;
  for (const element of elements) {
    if (size + element.length > MESSAGE_SIZE) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)?.push(element);
    size += element.length;
  }
  return groups;
}
