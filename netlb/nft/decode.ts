/**
 * Reads tables from nf_tables' netlink messages (linux/netfilter/nf_tables.h). Of rules only the comment is
 * of interest, so none has to be translated back to text. Pure.
 */
import { Attributes } from '../kernel/attributes.js';
import type { NetlinkMessage } from '../kernel/messages.js';
import { NFGENMSG } from '../kernel/nfnetlink.js';
import {
  inetHooks,
  NFT_SET_ANONYMOUS,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_POLICY,
  NFTA_CHAIN_TYPE,
  NFTA_DATA_VALUE,
  NFTA_DATA_VERDICT,
  NFTA_HOOK_DEV,
  NFTA_HOOK_DEVS,
  NFTA_HOOK_HOOKNUM,
  NFTA_HOOK_PRIORITY,
  NFTA_RULE_CHAIN,
  NFTA_RULE_USERDATA,
  NFTA_SET_DATA_TYPE,
  NFTA_SET_ELEM_DATA,
  NFTA_SET_ELEM_KEY,
  NFTA_SET_ELEM_LIST_ELEMENTS,
  NFTA_SET_EXPR,
  NFTA_SET_EXPRESSIONS,
  NFTA_SET_FLAGS,
  NFTA_SET_KEY_TYPE,
  NFTA_SET_NAME,
  NFTA_TABLE,
  NFTA_VERDICT_CHAIN,
  netdevHooks,
} from './nf-tables.js';
import type { ActualChain, ActualSet, ActualTable, BaseChain, TableFamily } from './table.js';
import { type DataType, textOf, typesOf, VERDICT_TYPE } from './types.js';

/** Hooks by their numbers. */
function namesOf<Name extends string>(numbers: Readonly<Record<Name, number>>): Name[] {
  return (Object.keys(numbers) as Name[]).sort((a, b) => numbers[a] - numbers[b]);
}

const hooks: Readonly<Record<TableFamily, readonly BaseChain['hook'][]>> = {
  ip: namesOf(inetHooks),
  ip6: namesOf(inetHooks),
  bridge: namesOf(inetHooks),
  netdev: namesOf(netdevHooks),
};

const nameOf = (types: readonly DataType[] | undefined, number: number): string =>
  types?.map(({ name }) => name).join(' . ') ?? `type ${number}`;

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
    if (chain.text(NFTA_TABLE) !== table) continue;
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
  const valueTypes = valueNumber === undefined || valueNumber === VERDICT_TYPE ? [] : typesOf(valueNumber);
  const value = valueNumber === VERDICT_TYPE ? 'verdict' : valueNumber && nameOf(valueTypes, valueNumber);
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
