import { invalidArgument } from '../../../lib/errors.js';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const MAX_NAME = 63;

/** @throws INVALID_ARGUMENT. 63 is the longest label that DNS allows (RFC 1035, 2.3.4). */
export function checkName(kind: string, name: string): void {
  if (name === '') throw invalidArgument(`a ${kind} needs a name`);
  if (name.length <= MAX_NAME && NAME.test(name)) return;
  throw invalidArgument(`"${name}" is not a name for a ${kind}`, {
    value: name,
    hint: `A name has at most ${MAX_NAME} letters, digits, "_", "." and "-", and begins with a letter or digit.`,
  });
}

/** What DNS can carry (RFC 1035, 2.3.4), with the underscore that people use. */
const DOMAIN_NAME = /^[a-zA-Z0-9_](?:[a-zA-Z0-9_.-]{0,251}[a-zA-Z0-9_])?$/;

/** A name besides the own one by which others in a network ask. @throws INVALID_ARGUMENT */
export function checkAlias(name: string): void {
  const labels = name.split('.');
  if (DOMAIN_NAME.test(name) && labels.every((label) => label !== '' && label.length <= MAX_NAME)) return;
  throw invalidArgument(`"${name}" is not a name that can be resolved`, {
    value: name,
    hint: `A name has letters, digits, "_" and "-", at most ${MAX_NAME} between two dots.`,
  });
}

/** @throws INVALID_ARGUMENT */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(labels)) {
    if (key === '' || /\s/.test(key)) {
      throw invalidArgument(`"${key}" is not a label's key`, { value: key, hint: 'A label looks like key=value.' });
    }
  }
}

/** The first value that occurs twice. */
export function duplicate(values: Iterable<string>): string | undefined {
  const seen = new Set<string>();
  for (const value of values) {
    if (seen.has(value)) return value;
    seen.add(value);
  }
  return undefined;
}
