/** What a rule writes: `meta mark set …`, `ct original zone set …`, `udp dport set …`. Pure. */
import { ctKeys, directions, metaKeys } from '../nf-tables.js';
import { constant, type Expression, lookUp, setCt, setMeta, setPayload } from './expressions.js';
import { type FieldType, zone } from './field-types.js';
import { type Field, fieldOf } from './fields.js';
import { takeSetName } from './match.js';
import { FIRST, type Rule } from './rule.js';
import { NftSyntaxError, type Words } from './syntax.js';
import { load, takeFields } from './values.js';

/** Reads a value and writes it into a field, whose name was read. @throws NftSyntaxError */
export function takeAssignment(rule: Rule, [field, ...others]: readonly [Field, ...Field[]], words: Words): void {
  if (others.length > 0) throw new NftSyntaxError('of several fields none can be set');
  const write = writer(field);
  rule.require(field.need);
  takeValue(rule, field.type, words);
  rule.push(write);
}

/** Reads `ct original zone set …`, if that comes. @throws NftSyntaxError */
export function takeZone(rule: Rule, words: Words): boolean {
  const direction = (['original', 'reply'] as const).find((name) => words.startWith('ct', name, 'zone', 'set'));
  if (direction === undefined) return false;
  takeValue(rule, zone, words);
  rule.push(setCt(ctKeys.zone, FIRST, directions[direction]));
  return true;
}

function writer(field: Field): Expression {
  if (field === fieldOf('meta mark')) return setMeta(metaKeys.mark, FIRST);
  if (field === fieldOf('ct mark')) return setCt(ctKeys.mark, FIRST, undefined);
  if (field.place === undefined || (field.place.header === 'transport' && field.checksum === undefined))
    throw new NftSyntaxError('rules of ours set marks, ports and MACs alone');
  return setPayload(field.place, FIRST, field.checksum);
}

const isConstant = (word: string | undefined): boolean => /^\d|^[0-9a-f]{2}:/i.test(word ?? '');

/** A constant, a field, or what a map has for fields: into the first register. */
function takeValue(rule: Rule, type: Pick<FieldType, 'size' | 'bytes'>, words: Words): void {
  if (isConstant(words.next)) {
    rule.push(constant(type.bytes(words.take('a value')), FIRST));
    return;
  }
  const fields = takeFields(words);
  load(rule, fields);
  if (words.accept('map')) rule.push(lookUp({ name: takeSetName(words) }, FIRST, { to: FIRST }));
  else if (fields.length > 1 || fields[0].type.size !== type.size)
    throw new NftSyntaxError(`a field of ${type.size} bytes is expected before ${words.rest()}`);
}
