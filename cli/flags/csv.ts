import { invalidArgument } from '../../lib/errors.js';

/**
 * The fields of one line of comma-separated values (RFC 4180), as Docker's long syntaxes are:
 * a field that holds a comma is put in double quotes, a quote within it is doubled.
 */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let field = '';
    if (text[at] === '"') {
      for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
        if (at >= text.length) throw invalidArgument(`a quote is not closed in ${text}`, { value: text });
        if (text[at] === '"') at++;
        field += text[at];
      }
      at++;
      if (at < text.length && text[at] !== ',')
        throw invalidArgument(`text after a closing quote in ${text}`, { value: text });
    } else {
      const comma = text.indexOf(',', at);
      field = text.slice(at, comma < 0 ? text.length : comma);
      at += field.length;
    }
    fields.push(field);
    if (at >= text.length) return fields;
    at++;
  }
}

/** A field `key=value`; the value of a bare `key` is undefined. Keys are case-insensitive. */
export interface KeyValue {
  readonly key: string;
  readonly value: string | undefined;
}

export function keyValue(field: string): KeyValue {
  const equals = field.indexOf('=');
  if (equals < 0) return { key: field.trim().toLowerCase(), value: undefined };
  return { key: field.slice(0, equals).trim().toLowerCase(), value: field.slice(equals + 1) };
}

/** The value of a field that must have one. @throws INVALID_ARGUMENT */
export function requiredValue({ key, value }: KeyValue): string {
  if (value === undefined || value === '')
    throw invalidArgument(`the field "${key}" has no value`, { value: key, hint: `Write ${key}=VALUE.` });
  return value;
}

/** `key`, `key=true`, `key=1`, `key=false` … @throws INVALID_ARGUMENT */
export function booleanOf({ key, value }: KeyValue): boolean {
  if (value === undefined || value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw invalidArgument(`"${value}" is not true or false for ${key}`, { value });
}

export function unexpectedKey(key: string, allowed: readonly string[]): Error {
  return invalidArgument(`unexpected key "${key}"`, { value: key, hint: `Allowed keys: ${allowed.join(', ')}.` });
}
