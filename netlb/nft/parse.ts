/** Reads what `nft -j list table` shows (libnftables-json(5)). Pure. */
import { type ActualChain, type ActualSet, type ActualTable, type BaseChain, protocolNumbers } from './table.js';

interface ListedObject {
  readonly chain?: ListedChain;
  readonly set?: ListedSet;
  readonly map?: ListedSet;
  readonly rule?: { readonly chain: string; readonly comment?: string };
}

interface ListedChain {
  readonly name: string;
  readonly type?: BaseChain['type'];
  readonly hook?: BaseChain['hook'];
  readonly prio?: number;
  readonly policy?: BaseChain['policy'];
  readonly dev?: string;
}

interface ListedSet {
  readonly name: string;
  readonly type: string | readonly string[];
  readonly map?: string | readonly string[];
  readonly elem?: readonly unknown[];
}

const RULE_COMMENT = /^#([0-9a-f]{12})$/;

export const ruleComment = (digest: string): string => `#${digest}`;

const typeText = (type: string | readonly string[]): string => (typeof type === 'string' ? type : type.join(' . '));

function has<K extends string>(value: unknown, key: K): value is Record<K, unknown> {
  return typeof value === 'object' && value !== null && key in value;
}

/** One value of an element. @param type of the value, by which a protocol's name is told from other words */
function valueText(value: unknown, type: string): string {
  if (typeof value === 'string') {
    return type === 'inet_proto' && Object.hasOwn(protocolNumbers, value)
      ? String(protocolNumbers[value as keyof typeof protocolNumbers])
      : value;
  }
  if (has(value, 'concat') && Array.isArray(value.concat)) {
    const types = type.split(' . ');
    return value.concat.map((part, i) => valueText(part, types[i] ?? '')).join(' . ');
  }
  if (has(value, 'elem') && has(value.elem, 'val')) return valueText(value.elem.val, type);
  if (has(value, 'goto') && has(value.goto, 'target')) return `goto ${String(value.goto.target)}`;
  if (has(value, 'prefix') && has(value.prefix, 'addr') && has(value.prefix, 'len'))
    return `${String(value.prefix.addr)}/${String(value.prefix.len)}`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function parseSet(set: ListedSet): ActualSet {
  const key = typeText(set.type);
  const value = set.map === undefined ? undefined : typeText(set.map);
  const elements = (set.elem ?? []).map((element) =>
    value !== undefined && Array.isArray(element)
      ? `${valueText(element[0], key)} : ${valueText(element[1], value)}`
      : valueText(element, key),
  );
  return { key, value, elements };
}

function parseBase({ type, hook, prio, policy, dev }: ListedChain): BaseChain | undefined {
  if (type === undefined || hook === undefined) return undefined;
  return { type, hook, priority: prio ?? 0, policy: policy ?? 'accept', ...(dev === undefined ? {} : { device: dev }) };
}

/** @param listing objects of one table (Nftables.list); those of several would be read as one */
export function parseTable(listing: readonly unknown[]): ActualTable {
  const sets = new Map<string, ActualSet>();
  const chains = new Map<string, ActualChain & { rules: string[] }>();
  for (const { chain, set, map = set, rule } of listing as readonly ListedObject[]) {
    if (chain) chains.set(chain.name, { base: parseBase(chain), rules: [] });
    if (map) sets.set(map.name, parseSet(map));
    if (rule) chains.get(rule.chain)?.rules.push(RULE_COMMENT.exec(rule.comment ?? '')?.[1] ?? '');
  }
  return { sets, chains };
}
