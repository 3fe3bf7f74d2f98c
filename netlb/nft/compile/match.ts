/** What a rule compares: fields with a value, a set, a subnet. Pure. */
import { addressOf, parseCidr } from '../../../lib/ip.js';
import { type Comparison, compare, loadPayload, lookUp, lookUpVerdict, mask } from './expressions.js';
import { ethertype } from './field-types.js';
import { type Field, fieldOf, type Need } from './fields.js';
import { intervalElements } from './intervals.js';
import { FIRST, type Rule } from './rule.js';
import { NftSyntaxError, type Words } from './syntax.js';
import { load } from './values.js';

/** Reads what fields are compared with. @throws NftSyntaxError */
export function takeMatch(rule: Rule, fields: readonly [Field, ...Field[]], words: Words): void {
  if (words.accept('vmap')) {
    load(rule, fields);
    rule.push(lookUpVerdict({ name: takeSetName(words) }, FIRST));
    return;
  }
  const [field, ...others] = fields;
  if (others.length === 0 && words.accept('&')) {
    takeMasked(rule, field, words);
    return;
  }
  const comparison: Comparison = words.accept('!=') ? 'unequal' : 'equal';
  if (words.next?.startsWith('@')) {
    load(rule, fields);
    rule.push(lookUp({ name: takeSetName(words) }, FIRST, { inverted: comparison === 'unequal' }));
    return;
  }
  if (others.length > 0) throw new NftSyntaxError(`the name of a set is expected, not ${words.rest()}`);
  if (words.next === '{') oneOf(rule, field, comparison, words.items());
  else compareWith(rule, field, comparison, words.take('a value'));
}

/** `@name`. @throws NftSyntaxError */
export function takeSetName(words: Words): string {
  const word = words.take('the name of a set');
  if (!/^@[a-z_]\w*$/i.test(word)) throw new NftSyntaxError(`the name of a set is expected, not ${word}`);
  return word.slice(1);
}

/** Some bits of a field. */
function takeMasked(rule: Rule, field: Field, words: Words): void {
  const bits = field.type.bytes(words.take('a mask'));
  const comparison: Comparison = words.accept('!=') ? 'unequal' : 'equal';
  if (comparison === 'equal') words.expect('==');
  const value = field.type.bytes(words.take('a value'));
  load(rule, [field]);
  rule.push(mask(FIRST, bits), compare(FIRST, comparison, value));
}

const isSubnet = (item: string): boolean => item.includes('/');

/** A set of the rule's own; one item needs none. */
function oneOf(rule: Rule, field: Field, comparison: Comparison, items: readonly string[]): void {
  const [only] = items;
  if (only !== undefined && items.length === 1) {
    compareWith(rule, field, comparison, only);
    return;
  }
  const { type, description } = field;
  if (description === undefined || type.isBits) throw new NftSyntaxError('no rule of ours has a set of such values');
  const isInterval = items.some(isSubnet);
  const elements = isInterval ? intervalElements(items, type) : items.map((item) => ({ key: wholeBytes(field, item) }));
  load(rule, [field]);
  rule.push(lookUp(rule.ownSet(field, elements, isInterval), FIRST, { inverted: comparison === 'unequal' }));
}

/** Of a set's element: no beginning of a name. */
function wholeBytes({ type }: Field, item: string): Buffer {
  const bytes = type.bytes(item);
  if (bytes.length !== type.size) throw new NftSyntaxError(`${item} cannot be in a set`);
  return bytes;
}

function compareWith(rule: Rule, field: Field, comparison: Comparison, value: string): void {
  if (isSubnet(value)) {
    compareSubnet(rule, field, comparison, value);
    return;
  }
  const bytes = field.type.bytes(value);
  load(rule, [field]);
  if (field.type.isBits) {
    const none = Buffer.alloc(bytes.length);
    rule.push(mask(FIRST, bytes), compare(FIRST, comparison === 'equal' ? 'unequal' : 'equal', none));
    return;
  }
  rule.push(compare(FIRST, comparison, bytes));
  if (comparison === 'equal') rule.learn(knownBy(field, bytes));
}

/** What is known of a packet whose field has the value. */
function knownBy(field: Field, bytes: Buffer): Need {
  if (field === fieldOf('meta l4proto')) return { transport: bytes.readUInt8() };
  if (field !== fieldOf('ether type')) return {};
  if (bytes.equals(ethertype.bytes('ip'))) return { network: 4 };
  return bytes.equals(ethertype.bytes('ip6')) ? { network: 6 } : {};
}

/** Of one that ends with a byte only the bytes are looked at that it says. */
function compareSubnet(rule: Rule, field: Field, comparison: Comparison, subnet: string): void {
  const { type, place } = field;
  const { base, prefix } = parseCidr(subnet);
  type.bytes(addressOf(subnet));
  const bits = 8 * type.size;
  const bytes = Buffer.from(base.toString(16).padStart(2 * type.size, '0'), 'hex');
  if (place && prefix > 0 && prefix % 8 === 0) {
    const length = prefix / 8;
    rule.require(field.need);
    rule.push(loadPayload({ ...place, length }, FIRST), compare(FIRST, comparison, bytes.subarray(0, length)));
    return;
  }
  const ones = ((1n << BigInt(prefix)) - 1n) << BigInt(bits - prefix);
  load(rule, [field]);
  rule.push(
    mask(FIRST, Buffer.from(ones.toString(16).padStart(2 * type.size, '0'), 'hex')),
    compare(FIRST, comparison, bytes),
  );
}
