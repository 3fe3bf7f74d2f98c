/** Where connections are led to: `dnat ip to …`, `snat to …`. Pure. */
import { families } from '../nf-tables.js';
import { bytesOf, type DataType, numberOf, setTypes, sizeOf } from '../types.js';
import { constant, countUp, type Expression, jhash, lookUp, registerAt, translate } from './expressions.js';
import { rawBits } from './field-types.js';
import { takeSetName } from './match.js';
import { FIRST, type Rule } from './rule.js';
import { NftSyntaxError, type Words } from './syntax.js';
import { load, takeFields } from './values.js';

const SECOND = registerAt(16);

type Kind = 'dnat' | 'snat';
type Family = 'ip' | 'ip6';

/** Reads what comes after `dnat` or `snat`. @throws NftSyntaxError */
export function takeTranslation(rule: Rule, kind: Kind, words: Words): void {
  const family = takeFamily(rule, words);
  words.expect('to');
  if (words.next === 'numgen' || words.next === 'jhash') takeSpread(rule, kind, family, words);
  else if (/^[\d[]|^[0-9a-f]*:/i.test(words.next ?? '')) given(rule, kind, family, words.take('an address'));
  else takeMapped(rule, kind, family, words);
}

function takeFamily({ table }: Rule, words: Words): Family {
  const { family } = table;
  if (family !== 'ip' && family !== 'ip6') throw new NftSyntaxError(`a table of family ${family} translates nothing`);
  if (words.next === 'ip' || words.next === 'ip6') words.expect(family);
  return family;
}

const addressType = { ip: setTypes.ipv4_addr, ip6: setTypes.ipv6_addr } as const;

/** An address, or one with a port: `10.0.0.1:80`, `[fd00::1]:80`. */
function given(rule: Rule, kind: Kind, family: Family, word: string): void {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(word) ?? [];
  const address = addressType[family].bytes(bracketed ?? plain ?? word);
  rule.push(constant(address, FIRST));
  if (port === undefined) {
    rule.push(translate({ kind, family: families[family], address: FIRST }));
    return;
  }
  if (!rule.knowsTransport) throw new NftSyntaxError(`${word} has a port, and the rule does not say of which protocol`);
  rule.push(
    constant(setTypes.inet_service.bytes(port), SECOND),
    translate({ kind, family: families[family], address: FIRST, port: SECOND, isPortGiven: true }),
  );
}

/** What a map has for fields. */
function takeMapped(rule: Rule, kind: Kind, family: Family, words: Words): void {
  const fields = takeFields(words);
  words.expect('map');
  const name = takeSetName(words);
  const { value } = rule.surroundings.setOf(rule.table, name);
  if (value === undefined || value === 'verdict') throw new NftSyntaxError(`${name} is no map to addresses`);
  load(rule, fields);
  rule.push(lookUp({ name }, FIRST, { to: FIRST }), found(kind, family, value));
}

/** Translates to what was found in a map: an address, or an address and a port. */
function found(kind: Kind, family: Family, value: readonly { readonly number: number }[]): Expression {
  const type = addressType[family];
  const [address, port, ...more] = value;
  if (address?.number !== type.number || (port && port.number !== setTypes.inet_service.number) || more.length > 0)
    throw new NftSyntaxError(`a map of a ${family} table leads to a ${type.name}, with or without a port`);
  return translate({ kind, family: families[family], address: FIRST, port: port && registerAt(type.size) });
}

/** A number for each connection, and a map of the rule's own from numbers to addresses. */
function takeSpread(rule: Rule, kind: Kind, family: Family, words: Words): void {
  rule.push(...(words.accept('numgen') ? takeCount(words) : takeHash(rule, words)));
  words.expect('map');
  const items = words.items().map((item) => item.split(' : '));
  const hasPorts = items.some(([, value = '']) => value.includes(' . '));
  const types: DataType[] = [addressType[family], ...(hasPorts ? [setTypes.inet_service] : [])];
  const elements = items.map(([key = '', value = '']) => ({ key: NUMBER.bytes(key), value: bytesOf(types, value) }));
  rule.push(lookUp(rule.ownMap(NUMBER, types, elements), FIRST, { to: FIRST }), found(kind, family, types));
}

/** Numbers that rules make are in host order. */
const NUMBER = { ...setTypes.mark, number: rawBits(4).number };

function takeModulus(words: Words): number {
  words.expect('mod');
  return numberOf(words.take('a modulus'), 4);
}

function takeCount(words: Words): Expression[] {
  words.expect('inc');
  return [countUp(takeModulus(words), FIRST)];
}

function takeHash(rule: Rule, words: Words): Expression[] {
  words.expect('jhash');
  const fields = takeFields(words);
  const modulus = takeModulus(words);
  words.expect('seed');
  const seed = numberOf(words.take('a seed'), 4);
  // Beside the register that takes the number.
  load(rule, fields, 16);
  return [jhash(SECOND, sizeOf(fields.map(({ type }) => type)), modulus, seed, FIRST)];
}
