import { invalidArgument } from '../../lib/errors.js';
import type { Filter } from '../../proto/gen/index.js';

/** Whether an object has the value that a filter asks for. */
export type Test<T> = (object: T, value: string) => boolean;

/**
 * The predicate of a list of filters: of each key any of the values, and all of the keys.
 * @param tests by the keys that are known
 * @throws INVALID_ARGUMENT for a key that is not known, with those that are
 */
export function predicate<T>(filters: readonly Filter[], tests: Readonly<Record<string, Test<T>>>) {
  const checks = filters.map(({ key, values }) => {
    const test = Object.hasOwn(tests, key) ? tests[key] : undefined;
    if (!test) {
      throw invalidArgument(`"${key}" is not a filter`, {
        value: key,
        hint: `One of ${Object.keys(tests).sort().join(', ')}.`,
      });
    }
    return (object: T) => values.some((value) => test(object, value));
  });
  return (object: T): boolean => checks.every((check) => check(object));
}

/** `key` asks for a label of any value, `key=value` for this one. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const key = equals < 0 ? wanted : wanted.slice(0, equals);
  return Object.hasOwn(labels, key) && (equals < 0 || labels[key] === wanted.slice(equals + 1));
}

/**
 * A filter whose values are words.
 * @throws INVALID_ARGUMENT for a word that is not known, when the first object is tested
 */
export function oneOf<T, V>(filter: string, words: Readonly<Record<string, V>>, get: (object: T) => V): Test<T> {
  return (object, value) => {
    const word = value.toLowerCase();
    if (!Object.hasOwn(words, word)) {
      throw invalidArgument(`"${value}" is not a value of the filter "${filter}"`, {
        value,
        hint: `One of ${Object.keys(words).join(', ')}.`,
      });
    }
    return get(object) === words[word];
  };
}

export const startsWith =
  <T>(get: (object: T) => string): Test<T> =>
  (object, value) =>
    get(object).startsWith(value);
