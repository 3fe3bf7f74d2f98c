import { invalidArgument } from '../../lib/errors.js';

/**
 * The words of a command line in POSIX shell quoting, without expansion: 'a b', "a \"b\"", a\ b.
 * @throws INVALID_ARGUMENT when a quote is not closed
 */
export function shellWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (c === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) throw unclosed(text);
      word = (word ?? '') + text.slice(i + 1, end);
      i = end;
    } else if (c === '"') {
      word ??= '';
      for (i++; text[i] !== '"'; i++) {
        if (i >= text.length) throw unclosed(text);
        if (text[i] === '\\' && /["\\$`]/.test(text[i + 1] ?? '')) i++;
        word += text[i];
      }
    } else {
      word = (word ?? '') + (c === '\\' ? (text[++i] ?? '') : c);
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

function unclosed(text: string): Error {
  return invalidArgument(`a quote is not closed in ${text}`, { value: text });
}
