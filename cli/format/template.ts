import { messageOf } from '../../lib/errors.js';
import { goPrint, isMap, isObject, isTrue } from './go-print.js';
import { fieldsTaken } from './template-fields.js';
import { templateFunctions } from './template-functions.js';
import { templateError } from './template-lexer.js';
import { type Block, type Node, type Operand, type Pipeline, parseTemplate } from './template-parser.js';

/** Variables by name; `$` itself, the value that the template was given, has the empty name. */
type Scope = Map<string, unknown>;

/** A Go template as `--format` takes it, parsed once. */
export class Template {
  readonly #source: string;
  readonly #body: Block;

  /** @throws INVALID_ARGUMENT that says what is wrong with it */
  constructor(source: string) {
    this.#source = source;
    this.#body = parseTemplate(source);
  }

  /** @throws INVALID_ARGUMENT for a field that the value does not have, naming those that it has */
  execute(value: unknown): string {
    return this.#block(this.#body, value, new Map([['', value]]));
  }

  /** @throws INVALID_ARGUMENT for a field that values of this shape do not have, as `execute` would */
  check(shape: object): void {
    const known = Object.keys(shape);
    for (const field of fieldsTaken(this.#body)) if (!known.includes(field)) throw this.#noField(field, known);
  }

  #noField(field: string, known: readonly string[]): Error {
    return this.#error(`there is no field "${field}"`, `There are ${known.join(', ')}.`);
  }

  #error(reason: string, hint?: string): Error {
    return templateError(this.#source, reason, hint);
  }

  #block(block: Block, dot: unknown, scope: Scope): string {
    return block.map((node) => this.#node(node, dot, scope)).join('');
  }

  #node(node: Node, dot: unknown, scope: Scope): string {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'print': {
        const value = this.#pipeline(node.pipeline, dot, scope);
        return node.pipeline.assigns === undefined ? goPrint(value) : '';
      }
      case 'if':
      case 'with': {
        const inner = new Map(scope);
        const value = this.#pipeline(node.pipeline, dot, inner);
        if (!isTrue(value)) return this.#block(node.otherwise, dot, inner);
        return this.#block(node.body, node.kind === 'with' ? value : dot, inner);
      }
      case 'range':
        return this.#range(node, dot, scope);
    }
  }

  #range(node: Node & { kind: 'range' }, dot: unknown, scope: Scope): string {
    const value = this.#pipeline(node.pipeline, dot, scope);
    const entries: readonly (readonly [unknown, unknown])[] = Array.isArray(value)
      ? value.map((item, i) => [i, item] as const)
      : isMap(value)
        ? Object.entries(value)
        : [];
    if (entries.length === 0) {
      if (value !== undefined && !Array.isArray(value) && !isMap(value))
        throw this.#error(`range cannot iterate over ${goPrint(value)}`);
      return this.#block(node.otherwise, dot, scope);
    }
    return entries
      .map(([key, item]) => {
        const inner = new Map(scope);
        if (node.key !== undefined) inner.set(node.key, key);
        if (node.element !== undefined) inner.set(node.element, item);
        return this.#block(node.body, item, inner);
      })
      .join('');
  }

  #pipeline(pipeline: Pipeline, dot: unknown, scope: Scope): unknown {
    const [first = [], ...rest] = pipeline.commands;
    let value = this.#command(first, [], dot, scope);
    for (const command of rest) value = this.#command(command, [value], dot, scope);
    if (pipeline.assigns !== undefined) scope.set(pipeline.assigns, value);
    return value;
  }

  #command([head, ...words]: readonly Operand[], piped: readonly unknown[], dot: unknown, scope: Scope): unknown {
    if (!head) throw this.#error('a value is missing');
    const args = () => [...words.map((word) => this.#operand(word, [], dot, scope)), ...piped];
    if (head.root.kind !== 'function') return this.#operand(head, args(), dot, scope);
    const { name } = head.root;
    if (name === 'and' || name === 'or') return this.#shortCircuit(name, words, piped, dot, scope);
    const fn = Object.hasOwn(templateFunctions, name) ? templateFunctions[name] : undefined;
    if (!fn) throw this.#error(`function "${name}" not defined`, `There are ${functionNames()}.`);
    try {
      return fn(...args());
    } catch (error) {
      throw this.#error(messageOf(error));
    }
  }

  #shortCircuit(name: 'and' | 'or', words: readonly Operand[], piped: readonly unknown[], dot: unknown, scope: Scope) {
    let value: unknown = piped[0];
    for (const word of words) {
      value = this.#operand(word, [], dot, scope);
      if (isTrue(value) === (name === 'or')) return value;
    }
    return piped.length > 0 ? piped[0] : value;
  }

  #operand({ root, fields }: Operand, args: readonly unknown[], dot: unknown, scope: Scope): unknown {
    let value: unknown;
    if (root.kind === 'dot') value = dot;
    else if (root.kind === 'literal') value = root.value;
    else if (root.kind === 'pipeline') value = this.#pipeline(root.pipeline, dot, scope);
    else if (root.kind === 'function') value = this.#command([{ root, fields: [] }], [], dot, scope);
    else {
      if (!scope.has(root.name)) throw this.#error(`undefined variable "$${root.name}"`);
      value = scope.get(root.name);
    }
    fields.forEach((field, i) => {
      value = this.#field(value, field, i === fields.length - 1 ? args : []);
    });
    if (args.length > 0 && fields.length === 0) throw this.#error(`${goPrint(value)} is not a function`);
    return value;
  }

  #field(value: unknown, field: string, args: readonly unknown[]): unknown {
    if (isMap(value)) return value[field];
    if (value === undefined || value === null)
      throw this.#error(`nothing to take the field "${field}" of: the value is not set`);
    if (!isObject(value)) throw this.#error(`${goPrint(value)} has no fields, so no "${field}"`);
    if (!Object.hasOwn(value, field)) throw this.#noField(field, Object.keys(value));
    const member = value[field];
    if (typeof member === 'function') return (member as (...a: unknown[]) => unknown)(...args);
    if (args.length > 0) throw this.#error(`"${field}" is a field, not a function: it takes no arguments`);
    return member;
  }
}

function functionNames(): string {
  return ['and', 'or', ...Object.keys(templateFunctions)].sort().join(', ');
}
