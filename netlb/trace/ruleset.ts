/** A namespace's nftables rules as `nft -j list ruleset` prints them (libnftables-json(5)), made ready to be followed. Pure. */
import type { NftFamily } from '../kernel/nftables.js';

/** An expression or statement of the JSON schema: its shape is looked at where it is used. */
export type Json = null | string | number | boolean | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

export interface RulesetRule {
  readonly handle: number;
  readonly statements: readonly Json[];
}

export interface RulesetChain {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  /** Set for base chains: those that a hook of the kernel leads to. */
  readonly base:
    | { readonly type: string; readonly hook: string; readonly priority: number; readonly policy: string }
    | undefined;
  readonly rules: RulesetRule[];
}

export interface RulesetTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly chains: ReadonlyMap<string, RulesetChain>;
  /** Elements of sets, and `[key, value]` pairs of maps, by name. */
  readonly sets: ReadonlyMap<string, readonly Json[]>;
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

interface Growing {
  readonly family: NftFamily;
  readonly name: string;
  readonly chains: Map<string, RulesetChain>;
  readonly sets: Map<string, readonly Json[]>;
}

/** @param entries `{ table: … }`, `{ chain: … }`, `{ rule: … }` and so on, of any number of tables */
export function parseRuleset(entries: readonly unknown[]): RulesetTable[] {
  const tables = new Map<string, Growing>();
  const tableOf = (family: Json | undefined, name: Json | undefined): Growing => {
    const key = `${String(family)} ${String(name)}`;
    const known = tables.get(key);
    if (known) return known;
    const made = { family: family as NftFamily, name: String(name), chains: new Map(), sets: new Map() };
    tables.set(key, made);
    return made;
  };
  for (const entry of entries as readonly Json[]) {
    if (!isObject(entry)) continue;
    if (isObject(entry.chain)) addChain(tableOf(entry.chain.family, entry.chain.table), entry.chain);
    const set = entry.set ?? entry.map;
    if (isObject(set)) tableOf(set.family, set.table).sets.set(String(set.name), isList(set.elem) ? set.elem : []);
    if (isObject(entry.rule)) {
      const { family, table, chain, handle, expr } = entry.rule;
      const statements = isList(expr) ? expr : [];
      tableOf(family, table)
        .chains.get(String(chain))
        ?.rules.push({ handle: Number(handle), statements });
    }
  }
  return [...tables.values()];
}

function addChain(table: Growing, { name, type, hook, prio, policy }: JsonObject): void {
  const base =
    typeof hook === 'string'
      ? { type: String(type), hook, priority: Number(prio ?? 0), policy: String(policy ?? 'accept') }
      : undefined;
  table.chains.set(String(name), { family: table.family, table: table.name, name: String(name), base, rules: [] });
}

/** Base chains of a hook in the order in which the kernel goes through them. */
export function baseChains(
  tables: readonly RulesetTable[],
  families: readonly NftFamily[],
  hook: Hook,
): { readonly table: RulesetTable; readonly chain: RulesetChain }[] {
  return tables
    .filter(({ family }) => families.includes(family))
    .flatMap((table) => [...table.chains.values()].map((chain) => ({ table, chain })))
    .filter(({ chain }) => chain.base?.hook === hook)
    .sort((a, b) => (a.chain.base?.priority ?? 0) - (b.chain.base?.priority ?? 0));
}

/** A rule roughly as nft(8) writes it, for people: `tcp dport 80 drop`. */
export function ruleText(statements: readonly Json[]): string {
  return statements.map(statementText).filter(Boolean).join(' ');
}

function statementText(statement: Json): string {
  if (!isObject(statement)) return typeof statement === 'string' ? statement : '';
  const [[name, value] = ['', null]] = Object.entries(statement);
  if (name === 'counter') return '';
  if (name === 'match' && isObject(value)) {
    const operator = value.op === '==' || value.op === 'in' ? '' : `${String(value.op)} `;
    return `${expressionText(value.left)} ${operator}${expressionText(value.right)}`;
  }
  if (name === 'xt' && isObject(value)) return `xt ${String(value.type)} ${String(value.name)}`;
  if ((name === 'jump' || name === 'goto') && isObject(value)) return `${name} ${String(value.target)}`;
  if (name === 'vmap' && isObject(value)) return `${expressionText(value.key)} vmap ${expressionText(value.data)}`;
  if (name === 'mangle' && isObject(value)) return `${expressionText(value.key)} set ${expressionText(value.value)}`;
  if (isObject(value)) return `${name} ${expressionText(value.addr ?? value.type ?? null)}`.trim();
  return name;
}

function expressionText(expression: Json | undefined): string {
  if (isList(expression)) return expression.map(expressionText).join(',');
  if (!isObject(expression)) return String(expression ?? '');
  const [[name, value] = ['', null]] = Object.entries(expression);
  if (name === 'set' && isList(value)) return `{ ${value.map(expressionText).join(', ')} }`;
  if (name === 'concat' && isList(value)) return value.map(expressionText).join(' . ');
  if (name === 'range' && isList(value)) return value.map(expressionText).join('-');
  if (name === 'prefix' && isObject(value)) return `${String(value.addr)}/${String(value.len)}`;
  if (name === 'payload' && isObject(value) && value.protocol)
    return `${String(value.protocol)} ${String(value.field)}`;
  if (name === 'payload' && isObject(value))
    return `@${String(value.base)},${String(value.offset)},${String(value.len)}`;
  if (name === 'meta' && isObject(value))
    return /^(?:iif|oif)/.test(String(value.key)) ? String(value.key) : `meta ${String(value.key)}`;
  if (name === 'ct' && isObject(value)) return `ct ${String(value.key)}`;
  if (name === 'fib' && isObject(value)) return `fib ${expressionText(value.flags)} ${String(value.result)}`;
  if (name === 'map' && isObject(value)) return `${expressionText(value.key)} map ${expressionText(value.data)}`;
  if (name === 'numgen' && isObject(value)) return `numgen ${String(value.mode)} mod ${String(value.mod)}`;
  return name;
}
