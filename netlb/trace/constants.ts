/** Constants of nftables' JSON compared with values of packets, which are texts: addresses, numbers, names. Pure. */
import { contains, isAddress, parseAddress, parseCidr } from '../../lib/ip.js';
import { isList, isObject, type Json, type RulesetTable } from './ruleset.js';

/** Of a named set (`@name`), or of one in the rule itself. */
export function elementsOf(table: RulesetTable, data: Json | undefined): readonly Json[] {
  if (typeof data === 'string') return table.sets.get(data.replace(/^@/, '')) ?? [];
  return isObject(data) && isList(data.set) ? data.set : [];
}

export const setMembers = (value: Json): string[] =>
  isObject(value) && isList(value.set) ? value.set.map(String) : [String(value)];

/** A constant, with `elem` (a value with a timeout or counter) taken off. */
export function textOf(value: Json): string {
  if (isObject(value) && isList(value.concat)) return value.concat.map(textOf).join(' . ');
  if (isObject(value) && isObject(value.elem)) return textOf(value.elem.val ?? null);
  return String(value);
}

export function equals(value: string, constant: Json): boolean {
  if (isObject(constant) && isObject(constant.elem)) return equals(value, constant.elem.val ?? null);
  if (isObject(constant) && isObject(constant.prefix))
    return inBlock(value, `${String(constant.prefix.addr)}/${String(constant.prefix.len)}`);
  if (isObject(constant) && isList(constant.range)) {
    const [low = 0, high = 0] = constant.range.map(rank);
    return rank(value) >= low && rank(value) <= high;
  }
  const text = textOf(constant);
  if (text.endsWith('*') && text.length > 1) return value.startsWith(text.slice(0, -1));
  return text === value;
}

/** Its place among others of its kind, addresses or numbers; NaN, which is before and after none, for anything else. */
export const rank = (value: Json): number | bigint => {
  const text = String(value);
  return isAddress(text) ? parseAddress(text).value : Number(text);
};

function inBlock(value: string, cidr: string): boolean {
  return isAddress(value) && contains(parseCidr(cidr), parseAddress(value));
}
