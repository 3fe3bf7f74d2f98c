import { type Filter, predicate, type Test } from '../../lib/filters.js';
import { booleanOf } from '../flags/csv.js';

/** By an image's name, which is '' for one that has none. */
const TESTS: Readonly<Record<string, Test<string>>> = {
  dangling: (name, value) => (name === '') === booleanOf({ key: 'dangling', value }),
  reference: (name, value) => isReference(name, value),
};

/** The names that `--filter` of `image ls` leaves. @throws INVALID_ARGUMENT for a key that is not known */
export const imageFilter = (filters: readonly Filter[]): ((name: string) => boolean) => predicate(filters, TESTS);

/** Whether `web:1` is what `web`, `web:1` or a pattern as `w*` and `web:?` means: `*` and `?` stand for all but a slash. */
export function isReference(name: string, pattern: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const matches = new RegExp(`^${expression}$`);
  return matches.test(name) || matches.test(name.replace(/@.*$/, '').replace(/:[^:/]*$/, ''));
}
