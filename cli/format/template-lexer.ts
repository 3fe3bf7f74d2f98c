import { invalidArgument, type SwarmError } from '../../lib/errors.js';

/** A piece of a template: text as it is, or the tokens of one `{{…}}`. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly source: string; readonly tokens: readonly Token[] };

export interface Token {
  readonly kind: 'field' | 'variable' | 'name' | 'string' | 'number' | 'dot' | 'punctuation';
  /** Field and variable names without their `.` or `$`; strings unquoted. */
  readonly text: string;
  /** Nothing stands between it and the token before: `$x.Name` against `$x .Name`. */
  readonly joined: boolean;
}

const TOKEN =
  /(?<string>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?<number>[+-]?\d+(?:\.\d+)?)|\.(?<field>[A-Za-z_]\w*)|\$(?<variable>\w*)|(?<name>[A-Za-z_]\w*)|(?<dot>\.)|(?<punctuation>:=|[|(),=])/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\', "'": "'" };

export function templateError(template: string, reason: string, hint?: string): SwarmError {
  return invalidArgument(`template "${template}": ${reason}`, { value: template, hint });
}

/**
 * Cuts a Go template into text and actions. `{{-` and `-}}` trim the white space beside them,
 * `{{/* … *\/}}` is a comment.
 */
export function lex(template: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let trimNext = false;
  const addText = (text: string) => {
    if (text !== '') pieces.push({ kind: 'text', text });
  };
  for (;;) {
    const open = template.indexOf('{{', at);
    let text = template.slice(at, open < 0 ? undefined : open);
    if (trimNext) text = text.trimStart();
    if (open < 0) {
      addText(text);
      return pieces;
    }
    const close = endOfAction(template, open + 2);
    let source = template.slice(open + 2, close);
    if (/^-\s/.test(source)) {
      text = text.trimEnd();
      source = source.slice(1);
    }
    trimNext = /\s-$/.test(source);
    if (trimNext) source = source.slice(0, -1);
    addText(text);
    source = source.trim();
    if (!source.startsWith('/*')) pieces.push({ kind: 'action', source, tokens: tokens(template, source) });
    at = close + 2;
  }
}

function endOfAction(template: string, from: number): number {
  const quoted = /"(?:[^"\\]|\\.)*"|`[^`]*`|\}\}/g;
  quoted.lastIndex = from;
  for (let match = quoted.exec(template); match; match = quoted.exec(template))
    if (match[0] === '}}') return match.index;
  throw templateError(template, 'an action is not closed', 'Every {{ needs its }}.');
}

function tokens(template: string, source: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < source.length) {
    const space = /\s*/y;
    space.lastIndex = at;
    const skipped = space.exec(source)?.[0].length ?? 0;
    at += skipped;
    if (at >= source.length) break;
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(source);
    if (!match?.groups) throw templateError(template, `unexpected "${source.slice(at)}" in {{${source}}}`);
    const [kind, text] = Object.entries(match.groups).find(([, value]) => value !== undefined) ?? ['dot', '.'];
    found.push({
      kind: kind as Token['kind'],
      text: kind === 'string' ? unquote(text) : text,
      joined: skipped === 0 && at > 0,
    });
    at = TOKEN.lastIndex;
  }
  return found;
}

function unquote(literal: string): string {
  const inner = literal.slice(1, -1);
  return literal.startsWith('`') ? inner : inner.replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);
}
