/**
 * The format of transcripts: comments (`#`), a directive line, optional input, `----`, and the
 * output up to a blank line. Output with blank lines in it stands between `----` `----` on both ends.
 */
export interface TestCase {
  /** Of the directive, from 1. */
  readonly line: number;
  readonly directive: Directive;
  readonly input: string;
  readonly expected: string;
}

export interface Directive {
  readonly text: string;
  readonly command: string;
  readonly args: readonly Argument[];
}

/** `key`, `key=value` or `key=(value value)`, values parted by commas or blanks. */
export interface Argument {
  readonly key: string;
  /** Empty for a bare key. */
  readonly values: readonly string[];
}

/** A directive that cannot be carried out as it is written. What it says is output, like a node's refusal. */
export class DirectiveError extends Error {
  override readonly name = 'DirectiveError';
}

const separator = '----';

/** @throws Error naming the line that cannot be read */
export function parseTranscript(text: string): readonly TestCase[] {
  const lines = text.split(/\r?\n/);
  const cases: TestCase[] = [];
  let at = 0;
  const takeUntil = (ends: (line: string) => boolean, what: string): string[] => {
    const taken: string[] = [];
    for (; at < lines.length; at++) {
      const line = lines[at] ?? '';
      if (ends(line)) return taken;
      taken.push(line);
    }
    if (what !== '') throw new Error(`line ${lines.length}: ${what}`);
    return taken;
  };
  for (; at < lines.length; at++) {
    let directive = (lines[at] ?? '').trim();
    if (directive === '' || directive.startsWith('#')) continue;
    const line = at + 1;
    for (; directive.endsWith('\\'); at++) directive = `${directive.slice(0, -1).trim()} ${lines[at + 1]?.trim()}`;
    at++;
    const input = takeUntil((l) => l.trim() === separator, `"${directive}" has no ${separator}`);
    at++;
    let output: string[];
    if (lines[at] === separator) {
      at++;
      output = takeUntil((l) => l === separator && lines[at + 1] === separator, `"${directive}" has no end`);
      at++;
    } else {
      output = takeUntil((l) => l.trim() === '', '');
    }
    cases.push({ line, directive: parseDirective(directive), input: input.join('\n'), expected: output.join('\n') });
  }
  return cases;
}

/** @throws Error quoting what cannot be read */
export function parseDirective(text: string): Directive {
  const tokens = text.match(/[^\s=]+=\([^)]*\)|[^\s]+/g) ?? [];
  const [command, ...rest] = tokens;
  if (command === undefined) throw new Error(`no command in "${text}"`);
  return { text, command, args: rest.map(parseArgument) };
}

function parseArgument(token: string): Argument {
  const at = token.indexOf('=');
  if (at < 0) return { key: token, values: [] };
  const value = token.slice(at + 1);
  const list = value.startsWith('(') && value.endsWith(')') ? value.slice(1, -1) : value;
  return { key: token.slice(0, at), values: list.split(/[\s,]+/).filter((v) => v !== '' || !value.startsWith('(')) };
}

/** How a flag may be written. */
export function isTrue(text: string | undefined): boolean {
  return text !== undefined && ['true', 't', '1'].includes(text.toLowerCase());
}
