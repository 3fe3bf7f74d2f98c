/**
 * A pure function of a text that remembers its answers, and forgets all of them when they are too many: for what is
 * told from few texts again and again.
 */
export function remembered<T>(fn: (text: string) => T, limit = 20_000): (text: string) => T {
  const answers = new Map<string, T>();
  return (text) => {
    const known = answers.get(text);
    if (known !== undefined) return known;
    const answer = fn(text);
    if (answers.size >= limit) answers.clear();
    answers.set(text, answer);
    return answer;
  };
}
