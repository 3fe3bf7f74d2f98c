import { invalidArgument } from '../../lib/errors.js';
import type { Test } from '../../lib/filters.js';

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
