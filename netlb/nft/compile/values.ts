/** What is in the registers: a field, several of them one after another, or what a map has for them. Pure. */
import { registerAt } from './expressions.js';
import { type Field, takeField } from './fields.js';
import type { Rule } from './rule.js';
import type { Words } from './syntax.js';

/** Reads fields joined by ".". @throws NftSyntaxError */
export function takeFields(words: Words): [Field, ...Field[]] {
  const fields: [Field, ...Field[]] = [takeField(words)];
  while (words.accept('.')) fields.push(takeField(words));
  return fields;
}

/** Loads fields one after another, each from a new register of 4 bytes on. @param first byte of the room */
export function load(rule: Rule, fields: readonly Field[], first = 0): void {
  for (const { need } of fields) rule.require(need);
  let offset = first;
  for (const field of fields) {
    rule.push(field.load(registerAt(offset)));
    offset += (field.type.size + 3) & ~3;
  }
}
