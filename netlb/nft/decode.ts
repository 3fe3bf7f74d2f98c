/**
 * Reads tables from nf_tables' netlink messages (linux/netfilter/nf_tables.h). Of rules only the comment is
 * of interest, so none has to be translated back to text, which is what takes libnftables its time. Pure.
 */
import { Attributes, addressText, macText } from '../kernel/attributes.js';
import type { NetlinkMessage } from '../kernel/messages.js';
import { NFGENMSG } from '../kernel/nfnetlink.js';
import type { ActualChain, ActualSet, ActualTable, BaseChain, TableFamily } from './table.js';

const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_POLICY = 5;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;
const NFTA_HOOK_DEV = 3;
const NFTA_HOOK_DEVS = 4;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_USERDATA = 7;
const NFTA_SET_NAME = 2;
const NFTA_SET_FLAGS = 3;
const NFTA_SET_KEY_TYPE = 4;
const NFTA_SET_DATA_TYPE = 6;
/** What each element of a set gets: one expression, or several. */
const NFTA_SET_EXPR = 17;
const NFTA_SET_EXPRESSIONS = 18;
export const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
export const NFTA_SET_ELEM_KEY = 1;
const NFTA_SET_ELEM_DATA = 2;
export const NFTA_DATA_VALUE = 1;
const NFTA_DATA_VERDICT = 2;
const NFTA_VERDICT_CHAIN = 2;

const NFT_SET_ANONYMOUS = 1;
const NFT_DATA_VERDICT = 0xffffff00;

const hooks: Readonly<Record<TableFamily, readonly BaseChain['hook'][]>> = {
  ip: ['prerouting', 'input', 'forward', 'output', 'postrouting'],
  ip6: ['prerouting', 'input', 'forward', 'output', 'postrouting'],
  bridge: ['prerouting', 'input', 'forward', 'output', 'postrouting'],
  netdev: ['ingress', 'egress'],
};

export interface DataType {
  readonly name: string;
  readonly size: number;
  text(bytes: Buffer): string;
}

/** Types that our sets are made of, by nft's numbers (libnftables, enum datatypes), which the kernel keeps. */
const dataTypes: Readonly<Record<number, DataType>> = {
  7: { name: 'ipv4_addr', size: 4, text: addressText },
  8: { name: 'ipv6_addr', size: 16, text: addressText },
  9: { name: 'ether_addr', size: 6, text: macText },
  12: { name: 'inet_proto', size: 1, text: (bytes) => String(bytes.readUInt8()) },
  13: { name: 'inet_service', size: 2, text: (bytes) => String(bytes.readUInt16BE()) },
  // In host order, as packets' marks are.
  19: { name: 'mark', size: 4, text: (bytes) => String(bytes.readUInt32LE()) },
};

/** A set's type: of several, joined six bits at a time. Undefined when it is none of ours. */
function typesOf(number: number): DataType[] | undefined {
  const types: (DataType | undefined)[] = [];
  for (let rest = number; rest > 0; rest >>>= 6) types.unshift(dataTypes[rest & 0x3f]);
  return types.every((type) => type !== undefined) ? types : undefined;
}

/** The types of a key as `nft` writes it: `mark . ipv4_addr`. @throws TypeError for one that is none of ours */
export function typesNamed(key: string): DataType[] {
  return key.split(' . ').map((name) => {
    const type = Object.values(dataTypes).find((candidate) => candidate.name === name);
    if (!type) throw new TypeError(`no set of ours has keys of type ${name}`);
    return type;
  });
}

const nameOf = (types: readonly DataType[] | undefined, number: number): string =>
  types?.map(({ name }) => name).join(' . ') ?? `type ${number}`;

/** Parts of a concatenation fill 32-bit registers. */
export function textOf(types: readonly DataType[], bytes: Buffer): string {
  let offset = 0;
  return types
    .map(({ size, text }) => {
      const part = text(bytes.subarray(offset, offset + size));
      offset += (size + 3) & ~3;
      return part;
    })
    .join(' . ');
}

/** What a list's members are: all of one attribute type, which Attributes would take for one. */
export function* members(list: Buffer | undefined): Generator<Buffer> {
  for (let offset = 0; list && offset + 4 <= list.length; ) {
    const length = list.readUInt16LE(offset);
    if (length < 4) return;
    yield list.subarray(offset + 4, offset + length);
    offset += (length + 3) & ~3;
  }
}

export const attributesOf = ({ payload }: NetlinkMessage): Attributes => new Attributes(payload.subarray(NFGENMSG));

function baseOf(chain: Attributes, family: TableFamily): BaseChain | undefined {
  const hook = chain.nested(NFTA_CHAIN_HOOK);
  const name = hooks[family][hook?.u32be(NFTA_HOOK_HOOKNUM) ?? -1];
  if (!hook || !name) return undefined;
  const devices = hook.bytes(NFTA_HOOK_DEVS);
  const [first] = members(devices);
  const device = hook.text(NFTA_HOOK_DEV) ?? first?.toString('utf8').replace(/\0.*$/s, '');
  return {
    type: (chain.text(NFTA_CHAIN_TYPE) ?? 'filter') as BaseChain['type'],
    hook: name,
    priority: (hook.u32be(NFTA_HOOK_PRIORITY) ?? 0) | 0,
    policy: chain.u32be(NFTA_CHAIN_POLICY) === 0 ? 'drop' : 'accept',
    ...(device === undefined ? {} : { device }),
  };
}

/** A rule's comment: of type 0 among bytes of type, length, value. */
function commentOf(userdata: Buffer | undefined): string {
  for (let offset = 0; userdata && offset + 2 <= userdata.length; ) {
    const length = userdata.readUInt8(offset + 1);
    if (userdata[offset] === 0) return userdata.toString('utf8', offset + 2, offset + 2 + length).replace(/\0.*$/s, '');
    offset += 2 + length;
  }
  return '';
}

const RULE_COMMENT = /^#([0-9a-f]{12})$/;

/** The comment that a rule of ours carries. */
export const ruleComment = (digest: string): string => `#${digest}`;

/** Reads the elements of one set. */
export type ElementsOf = (set: string) => readonly NetlinkMessage[];

export interface TableMessages {
  /** Of the family; those of other tables are left out here. */
  readonly chains: readonly NetlinkMessage[];
  /** Of the table. */
  readonly rules: readonly NetlinkMessage[];
  readonly sets: readonly NetlinkMessage[];
}

export function decodeTable(
  family: TableFamily,
  table: string,
  { chains, rules, sets }: TableMessages,
  elementsOf: ElementsOf,
): ActualTable {
  const decoded = new Map<string, ActualChain & { rules: string[] }>();
  for (const chain of chains.map(attributesOf)) {
    if (chain.text(NFTA_CHAIN_TABLE) !== table) continue;
    decoded.set(chain.text(NFTA_CHAIN_NAME) ?? '', { base: baseOf(chain, family), rules: [] });
  }
  for (const rule of rules.map(attributesOf)) {
    const digest = RULE_COMMENT.exec(commentOf(rule.bytes(NFTA_RULE_USERDATA)))?.[1] ?? '';
    decoded.get(rule.text(NFTA_RULE_CHAIN) ?? '')?.rules.push(digest);
  }
  const decodedSets = new Map<string, ActualSet>();
  for (const set of sets.map(attributesOf)) {
    if ((set.u32be(NFTA_SET_FLAGS) ?? 0) & NFT_SET_ANONYMOUS) continue;
    const name = set.text(NFTA_SET_NAME) ?? '';
    decodedSets.set(name, decodeSet(set, elementsOf(name)));
  }
  return { chains: decoded, sets: decodedSets };
}

function decodeSet(set: Attributes, messages: readonly NetlinkMessage[]): ActualSet {
  const keyNumber = set.u32be(NFTA_SET_KEY_TYPE) ?? 0;
  const valueNumber = set.u32be(NFTA_SET_DATA_TYPE);
  const keyTypes = typesOf(keyNumber);
  const valueTypes = valueNumber === undefined || valueNumber === NFT_DATA_VERDICT ? [] : typesOf(valueNumber);
  const value = valueNumber === NFT_DATA_VERDICT ? 'verdict' : valueNumber && nameOf(valueTypes, valueNumber);
  const elements: string[] = [];
  if (keyTypes && valueTypes) {
    for (const message of messages) {
      const list = attributesOf(message).bytes(NFTA_SET_ELEM_LIST_ELEMENTS);
      for (const member of members(list)) {
        const element = new Attributes(member);
        const key = element.nested(NFTA_SET_ELEM_KEY)?.bytes(NFTA_DATA_VALUE);
        const data = dataText(element.nested(NFTA_SET_ELEM_DATA), valueTypes);
        if (key) elements.push(textOf(keyTypes, key) + (data === undefined ? '' : ` : ${data}`));
      }
    }
  }
  const counted = set.has(NFTA_SET_EXPR) || set.has(NFTA_SET_EXPRESSIONS);
  return {
    key: nameOf(keyTypes, keyNumber),
    value: value || undefined,
    elements,
    ...(counted ? { counted } : {}),
  };
}

function dataText(data: Attributes | undefined, types: readonly DataType[]): string | undefined {
  const chain = data?.nested(NFTA_DATA_VERDICT)?.text(NFTA_VERDICT_CHAIN);
  if (chain !== undefined) return `goto ${chain}`;
  const bytes = data?.bytes(NFTA_DATA_VALUE);
  return bytes && textOf(types, bytes);
}
