/**
 * Forward chains of others that drop what no rule of theirs accepts: an accept verdict of ours does not overrule
 * them. iptables' chains are among them where its commands are made of nf_tables. Pure.
 */
import { Attributes } from '../kernel/attributes.js';
import type { NetlinkMessage } from '../kernel/messages.js';
import { attributesOf, members } from './decode.js';
import {
  metaKeys,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_POLICY,
  NFTA_DATA_VALUE,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_HOOK_HOOKNUM,
  NFTA_RULE_EXPRESSIONS,
  NFTA_SET_ELEM_KEY,
  NFTA_SET_ELEM_LIST_ELEMENTS,
  NFTA_SET_KEY_TYPE,
  NFTA_SET_NAME,
  NFTA_TABLE,
} from './nf-tables.js';

const NFTA_META_KEY = 2;
const NFTA_CMP_OP = 2;
const NFTA_CMP_DATA = 3;

const NF_INET_FORWARD = 2;
const NF_DROP = 0;
const NFT_CMP_EQ = 0;
const INTERFACE_NAMES: readonly number[] = [metaKeys.iifname, metaKeys.oifname];
/** nft's number for the type ifname (libnftables, enum datatypes). */
const TYPE_IFNAME = 41;
const IFNAMSIZ = 16;

/** Values of linux/netfilter.h (NFPROTO_*) of the families that forwarded IP packets pass. */
const families = { 1: 'inet', 2: 'ip', 10: 'ip6' } as const;

export interface ForwardDrop {
  readonly family: 'inet' | 'ip' | 'ip6';
  readonly table: string;
  readonly chain: string;
}

/** With the interfaces that rules of its table are about: it is taken to let their packets through. */
export interface Firewall extends ForwardDrop {
  /** One that ends in "*" stands for all that begin so. */
  readonly interfaces: readonly string[];
}

/** @param chains of all families */
export function forwardDrops(chains: readonly NetlinkMessage[]): ForwardDrop[] {
  return chains.flatMap((message) => {
    const family = families[(message.payload[0] ?? 0) as keyof typeof families] as ForwardDrop['family'] | undefined;
    const chain = attributesOf(message);
    const drops =
      chain.nested(NFTA_CHAIN_HOOK)?.u32be(NFTA_HOOK_HOOKNUM) === NF_INET_FORWARD &&
      chain.u32be(NFTA_CHAIN_POLICY) === NF_DROP;
    if (family === undefined || !drops) return [];
    return [{ family, table: chain.text(NFTA_TABLE) ?? '', chain: chain.text(NFTA_CHAIN_NAME) ?? '' }];
  });
}

/** The names of interfaces that rules ask for; one that ends in "*" stands for all that begin so. */
export function interfacesOf(rules: readonly NetlinkMessage[]): string[] {
  return rules.flatMap((message) => {
    const expressions = [...members(attributesOf(message).bytes(NFTA_RULE_EXPRESSIONS))].map((b) => new Attributes(b));
    return expressions.flatMap((expression, i) => {
      const before = expressions[i - 1];
      const loaded = before?.text(NFTA_EXPR_NAME) === 'meta' ? before.nested(NFTA_EXPR_DATA) : undefined;
      const compared = expression.text(NFTA_EXPR_NAME) === 'cmp' ? expression.nested(NFTA_EXPR_DATA) : undefined;
      const isName = INTERFACE_NAMES.includes(loaded?.u32be(NFTA_META_KEY) ?? -1);
      if (!isName || compared?.u32be(NFTA_CMP_OP) !== NFT_CMP_EQ) return [];
      return interfaceIn(compared.nested(NFTA_CMP_DATA)?.bytes(NFTA_DATA_VALUE));
    });
  });
}

/** Names of a table's sets that are of interfaces. */
export function interfaceSets(sets: readonly NetlinkMessage[]): string[] {
  return sets
    .map(attributesOf)
    .filter((set) => set.u32be(NFTA_SET_KEY_TYPE) === TYPE_IFNAME)
    .map((set) => set.text(NFTA_SET_NAME) ?? '');
}

/** The names of interfaces in a set. */
export function interfacesIn(elements: readonly NetlinkMessage[]): string[] {
  return elements.flatMap((message) =>
    [...members(attributesOf(message).bytes(NFTA_SET_ELEM_LIST_ELEMENTS))].flatMap((bytes) =>
      interfaceIn(new Attributes(bytes).nested(NFTA_SET_ELEM_KEY)?.bytes(NFTA_DATA_VALUE)),
    ),
  );
}

/** Whether the firewall has rules about an interface. */
export const knows = ({ interfaces }: Firewall, name: string): boolean =>
  interfaces.some((item) => (item.endsWith('*') ? name.startsWith(item.slice(0, -1)) : name === item));

/** Names are compared with the NUL that ends them, or all 16 bytes; beginnings with as many as they have. */
function interfaceIn(bytes: Buffer | undefined): string[] {
  if (bytes === undefined || bytes.length === 0) return [];
  const [name = ''] = bytes.toString('utf8').split('\0');
  return [bytes.length === IFNAMSIZ || bytes.includes(0) ? name : `${name}*`];
}
