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
