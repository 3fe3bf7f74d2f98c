import { lex, type Piece, type Token, templateError } from './template-lexer.js';

/** The syntax tree of a Go template: the part of text/template that Docker's users write. */
export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: Pipeline }
  | { readonly kind: 'break' | 'continue' }
  | { readonly kind: 'if' | 'with'; readonly pipeline: Pipeline; readonly body: Block; readonly otherwise: Block }
  | {
      readonly kind: 'range';
      readonly key: string | undefined;
      readonly element: string | undefined;
      readonly pipeline: Pipeline;
      readonly body: Block;
      readonly otherwise: Block;
    };

export type Block = readonly Node[];

/** Commands joined by `|`; the value of each is the last argument of the next. */
export interface Pipeline {
  /** `$name :=` before it, or `$name =`, which is of a variable that is there. */
  readonly assigns: { readonly name: string; readonly isNew: boolean } | undefined;
  readonly commands: readonly (readonly Operand[])[];
}

/** One word of a command with the fields that are taken of it: `.A.B`, `$x.A`, `(pipeline).A`. */
export interface Operand {
  readonly root:
    | { readonly kind: 'dot' }
    | { readonly kind: 'variable'; readonly name: string }
    | { readonly kind: 'literal'; readonly value: unknown }
    | { readonly kind: 'function'; readonly name: string }
    | { readonly kind: 'pipeline'; readonly pipeline: Pipeline };
  readonly fields: readonly string[];
}

const LITERALS: Readonly<Record<string, unknown>> = { true: true, false: false, nil: undefined };

/** @throws INVALID_ARGUMENT that says where the template is wrong */
export function parseTemplate(template: string): Block {
  return new Parser(template).parse();
}

class Parser {
  readonly #template: string;
  readonly #pieces: readonly Piece[];
  #at = 0;
  /** How many `range` stand around. */
  #loops = 0;

  constructor(template: string) {
    this.#template = template;
    this.#pieces = lex(template);
  }

  parse(): Block {
    const { nodes, end } = this.#block();
    if (end !== undefined) throw this.#error(`unexpected {{${end.source}}}`);
    return nodes;
  }

  #error(reason: string): Error {
    return templateError(this.#template, reason);
  }

  /** Nodes until an `end` or `else`, which is returned with them. */
  #block(): { nodes: Node[]; end: (Piece & { kind: 'action' }) | undefined } {
    const nodes: Node[] = [];
    while (this.#at < this.#pieces.length) {
      const piece = this.#pieces[this.#at++];
      if (!piece) break;
      if (piece.kind === 'text') {
        nodes.push(piece);
        continue;
      }
      const keyword = piece.tokens[0]?.kind === 'name' ? piece.tokens[0].text : '';
      if (keyword === 'end' || keyword === 'else') return { nodes, end: piece };
      if (keyword === 'if' || keyword === 'with' || keyword === 'range')
        nodes.push(this.#control(keyword, piece.source, piece.tokens.slice(1)));
      else if (keyword === 'break' || keyword === 'continue') {
        if (this.#loops === 0) throw this.#error(`{{${keyword}}} outside {{range}}`);
        nodes.push({ kind: keyword });
      } else nodes.push({ kind: 'print', pipeline: this.#pipeline(piece.source, piece.tokens) });
    }
    return { nodes, end: undefined };
  }

  #control(keyword: 'if' | 'with' | 'range', source: string, tokens: readonly Token[]): Node {
    const range = keyword === 'range' ? rangeVariables(tokens) : { key: undefined, element: undefined, rest: tokens };
    const pipeline = this.#pipeline(source, range.rest);
    if (keyword === 'range') this.#loops++;
    const { nodes: body, end } = this.#block();
    if (keyword === 'range') this.#loops--;
    const otherwise = this.#otherwise(source, end);
    if (keyword !== 'range') return { kind: keyword, pipeline, body, otherwise };
    return { kind: 'range', key: range.key, element: range.element, pipeline, body, otherwise };
  }

  #otherwise(source: string, end: (Piece & { kind: 'action' }) | undefined): Block {
    if (end === undefined) throw this.#error(`{{${source}}} has no {{end}}`);
    if (end.tokens[0]?.text === 'end') return [];
    const next = end.tokens[1]?.text;
    if (next === 'if' || next === 'with') return [this.#control(next, end.source, end.tokens.slice(2))];
    const { nodes, end: last } = this.#block();
    if (last?.tokens[0]?.text !== 'end') throw this.#error(`{{${source}}} has no {{end}}`);
    return nodes;
  }

  #pipeline(source: string, tokens: readonly Token[]): Pipeline {
    const [variable, operator] = tokens;
    const isAssigned = variable?.kind === 'variable' && /^:?=$/.test(operator?.text ?? '');
    const assigns = isAssigned ? { name: variable.text, isNew: operator?.text === ':=' } : undefined;
    const cursor = { at: assigns === undefined ? 0 : 2 };
    const commands = this.#commands(source, tokens, cursor);
    if (cursor.at < tokens.length) throw this.#error(`unexpected "${tokens[cursor.at]?.text}" in {{${source}}}`);
    return { assigns, commands };
  }

  #commands(source: string, tokens: readonly Token[], cursor: { at: number }): Operand[][] {
    const commands: Operand[][] = [[]];
    for (let token = tokens[cursor.at]; token && token.text !== ')'; token = tokens[cursor.at]) {
      if (token.kind === 'punctuation' && token.text === '|') {
        commands.push([]);
        cursor.at++;
      } else commands.at(-1)?.push(this.#operand(source, tokens, cursor));
    }
    if (commands.some((command) => command.length === 0)) throw this.#error(`a value is missing in {{${source}}}`);
    return commands;
  }

  #operand(source: string, tokens: readonly Token[], cursor: { at: number }): Operand {
    const token = tokens[cursor.at++];
    if (!token) throw this.#error(`a value is missing in {{${source}}}`);
    const fields: string[] = [];
    const withFields = (root: Operand['root']): Operand => {
      for (let next = tokens[cursor.at]; next?.kind === 'field' && next.joined; next = tokens[cursor.at]) {
        fields.push(next.text);
        cursor.at++;
      }
      return { root, fields };
    };
    if (token.kind === 'dot') return { root: { kind: 'dot' }, fields };
    if (token.kind === 'field') {
      fields.push(token.text);
      return withFields({ kind: 'dot' });
    }
    if (token.kind === 'variable') return withFields({ kind: 'variable', name: token.text });
    if (token.kind === 'string') return { root: { kind: 'literal', value: token.text }, fields };
    if (token.kind === 'number') return { root: { kind: 'literal', value: Number(token.text) }, fields };
    if (token.kind === 'name') {
      if (Object.hasOwn(LITERALS, token.text))
        return { root: { kind: 'literal', value: LITERALS[token.text] }, fields };
      return { root: { kind: 'function', name: token.text }, fields };
    }
    if (token.text !== '(') throw this.#error(`unexpected "${token.text}" in {{${source}}}`);
    const commands = this.#commands(source, tokens, cursor);
    if (tokens[cursor.at++]?.text !== ')') throw this.#error(`a ) is missing in {{${source}}}`);
    return withFields({ kind: 'pipeline', pipeline: { assigns: undefined, commands } });
  }
}

function rangeVariables(tokens: readonly Token[]) {
  const [first, second, third, fourth] = tokens;
  const is = (token: Token | undefined, text: string) => token?.kind === 'punctuation' && token.text === text;
  if (first?.kind === 'variable' && is(second, ':='))
    return { key: undefined, element: first.text, rest: tokens.slice(2) };
  if (first?.kind === 'variable' && is(second, ',') && third?.kind === 'variable' && is(fourth, ':='))
    return { key: first.text, element: third.text, rest: tokens.slice(4) };
  return { key: undefined, element: undefined, rest: tokens };
}
