/**
 * Whether others' rules about what the node itself sends and receives ask for the connection that a packet is of: to
 * them one that is not tracked is another packet ("new" ones are let in, and this one is not). Pure.
 */
import { Attributes } from '../kernel/attributes.js';
import type { NetlinkMessage } from '../kernel/messages.js';
import { attributesOf, members } from './decode.js';
import {
  inetHooks,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_TYPE,
  NFTA_DATA_VERDICT,
  NFTA_EXPR_DATA,
  NFTA_EXPR_NAME,
  NFTA_EXTENSION_NAME,
  NFTA_HOOK_HOOKNUM,
  NFTA_IMMEDIATE_DATA,
  NFTA_LOOKUP_DREG,
  NFTA_RULE_CHAIN,
  NFTA_RULE_EXPRESSIONS,
  NFTA_TABLE,
  NFTA_VERDICT_CHAIN,
} from './nf-tables.js';

/** Values of linux/netfilter.h (NFPROTO_*) of the families that IPv4 packets pass. */
const families = { 1: 'inet', 2: 'ip' } as const;

export interface LocalTable {
  readonly family: 'inet' | 'ip';
  readonly table: string;
  /** Where packets enter it. Not at the hook forward; chains of NAT see no packet that is not tracked, whatever they ask. */
  readonly entrances: readonly string[];
}

/** @param chains of all families */
export function localTables(chains: readonly NetlinkMessage[]): LocalTable[] {
  const found = new Map<string, LocalTable & { readonly entrances: string[] }>();
  for (const message of chains) {
    const family = families[(message.payload[0] ?? 0) as keyof typeof families] as LocalTable['family'] | undefined;
    const chain = attributesOf(message);
    const hook = chain.nested(NFTA_CHAIN_HOOK)?.u32be(NFTA_HOOK_HOOKNUM);
    if (family === undefined || hook === undefined || hook === inetHooks.forward) continue;
    if (chain.text(NFTA_CHAIN_TYPE) === 'nat') continue;
    const table = chain.text(NFTA_TABLE) ?? '';
    const entry = found.get(`${family} ${table}`) ?? { family, table, entrances: [] };
    entry.entrances.push(chain.text(NFTA_CHAIN_NAME) ?? '');
    found.set(`${family} ${table}`, entry);
  }
  return [...found.values()];
}

interface ChainRules {
  asks: boolean;
  /** By a map of verdicts a packet may go to any chain of the table. */
  goesAnywhere: boolean;
  readonly next: Set<string>;
}

/** @param rules of the whole table */
export function asksForConnections(
  { entrances }: Pick<LocalTable, 'entrances'>,
  rules: readonly NetlinkMessage[],
): boolean {
  const chains = new Map<string, ChainRules>();
  for (const rule of rules.map(attributesOf)) {
    const name = rule.text(NFTA_RULE_CHAIN) ?? '';
    const chain = chains.get(name) ?? { asks: false, goesAnywhere: false, next: new Set() };
    chains.set(name, chain);
    for (const bytes of members(rule.bytes(NFTA_RULE_EXPRESSIONS))) note(chain, new Attributes(bytes));
  }
  const reached = new Set(entrances);
  for (const name of reached) {
    const chain = chains.get(name);
    if (chain?.asks) return true;
    for (const other of chain?.goesAnywhere ? chains.keys() : (chain?.next ?? [])) reached.add(other);
  }
  return false;
}

/** iptables' extensions for connections: conntrack, connmark, connlimit …, the older state, CONNMARK, CT. */
const OF_CONNECTIONS = /^(conn|state$|ct$)/i;

function note(chain: ChainRules, expression: Attributes): void {
  const name = expression.text(NFTA_EXPR_NAME);
  const data = expression.nested(NFTA_EXPR_DATA);
  if (name === 'ct') chain.asks = true;
  if (name === 'match' || name === 'target') chain.asks ||= OF_CONNECTIONS.test(data?.text(NFTA_EXTENSION_NAME) ?? '');
  if (name === 'lookup' && data?.u32be(NFTA_LOOKUP_DREG) === 0) chain.goesAnywhere = true;
  const to = data?.nested(NFTA_IMMEDIATE_DATA)?.nested(NFTA_DATA_VERDICT)?.text(NFTA_VERDICT_CHAIN);
  if (name === 'immediate' && to !== undefined) chain.next.add(to);
}
