import { invalidArgument } from './errors.js';

/** What lists are asked for by `--filter key=value`: the values of a key, together. */
export interface Filter {
  readonly key: string;
  readonly values: readonly string[];
}

/** Whether something has the value that a filter asks for. */
export type Test<T> = (item: T, value: string) => boolean;

/** Of labels each one narrows a list; of other keys each value widens it, as with docker. */
const LABELS: ReadonlySet<string> = new Set(['label', 'label!', 'node.label']);

/**
 * The predicate of a list of filters: of labels all, of each other key any of the values, and all of the keys.
 * @param tests by the keys that are known
 * @throws INVALID_ARGUMENT for a key that is not known, with those that are: a list that is longer than what was
 * asked for may be removed
 */
export function predicate<T>(
  filters: readonly Filter[],
  tests: Readonly<Record<string, Test<T>>>,
): (item: T) => boolean {
  const checks = filters.map(({ key, values }) => {
    const test = Object.hasOwn(tests, key) ? tests[key] : undefined;
    if (!test) {
      throw invalidArgument(`invalid filter '${key}'`, {
        value: key,
        hint: `One of ${Object.keys(tests).sort().join(', ')}.`,
      });
    }
    const fits = (item: T) => (value: string) => test(item, value);
    return (item: T) => (LABELS.has(key) ? values.every(fits(item)) : values.some(fits(item)));
  });
  return (item) => checks.every((check) => check(item));
}

/** `key` asks for a label of any value, `key=value` for this one. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const key = equals < 0 ? wanted : wanted.slice(0, equals);
  return Object.hasOwn(labels, key) && (equals < 0 || labels[key] === wanted.slice(equals + 1));
}
