import { invalidArgument } from '../../lib/errors.js';
import type { Filter } from '../../proto/gen/control.js';
import { booleanOf } from '../flags/csv.js';

/** By an image's name, which is '' for one that has none. */
type Test = (name: string, value: string) => boolean;

const TESTS: Readonly<Record<string, Test>> = {
  dangling: (name, value) => (name === '') === booleanOf({ key: 'dangling', value }),
  reference: (name, value) => isReference(name, value),
};

/**
 * The names that `--filter` of `image ls` leaves: of each key any of the values, and all of the keys.
 * @throws INVALID_ARGUMENT for a key that is not known: a list that is longer than what was asked for may be removed
 */
export function imageFilter(filters: readonly Filter[]): (name: string) => boolean {
  const checks = filters.map(({ key, values }) => {
    const test = Object.hasOwn(TESTS, key) ? TESTS[key] : undefined;
    if (!test)
      throw invalidArgument(`invalid filter '${key}'`, {
        value: key,
        hint: `Known are ${Object.keys(TESTS).join(', ')}.`,
      });
    return (name: string) => values.some((value) => test(name, value));
  });
  return (name) => checks.every((check) => check(name));
}

/** Whether `web:1` is what `web`, `web:1` or a pattern as `w*` and `web:?` means: `*` and `?` stand for all but a slash. */
export function isReference(name: string, pattern: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const matches = new RegExp(`^${expression}$`);
  return matches.test(name) || matches.test(name.replace(/@.*$/, '').replace(/:[^:/]*$/, ''));
}
