/**
 * A pure function of a text or a number that remembers its answers, and forgets all of them when they are too many: for
 * what is told from few again and again.
 */
export function remembered<T, K extends string | number = string>(fn: (text: K) => T, limit = 20_000): (text: K) => T {
  const answers = new Map<K, T>();
  return (text) => {
    const known = answers.get(text);
    if (known !== undefined) return known;
    const answer = fn(text);
    if (answers.size >= limit) answers.clear();
    answers.set(text, answer);
    return answer;
  };
}

/**
 * A pure function of an object that remembers its answer as long as the object is there. Nobody may change the object
 * or the answer.
 */
export function rememberedOf<K extends object, T>(fn: (object: K) => T): (object: K) => T {
  const answers = new WeakMap<K, { readonly answer: T }>();
  return (object) => {
    const known = answers.get(object);
    if (known) return known.answer;
    const answer = fn(object);
    answers.set(object, { answer });
    return answer;
  };
}
