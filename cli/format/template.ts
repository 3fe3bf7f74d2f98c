import { messageOf } from '../../lib/errors.js';
import { goPrint, isMap, isObject, isTrue } from './go-print.js';
import { fieldsTaken } from './template-fields.js';
import { templateFunctions } from './template-functions.js';
import { templateError } from './template-lexer.js';
import { type Block, type Node, type Operand, type Pipeline, parseTemplate } from './template-parser.js';

/** Variables by name; `$` itself, the value that the template was given, has the empty name. */
class Scope {
  readonly #own = new Map<string, unknown>();
  readonly #outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.#outer = outer;
  }

  declare(name: string, value: unknown): this {
    this.#own.set(name, value);
    return this;
  }

  /** The scope that has the variable. */
  find(name: string): Scope | undefined {
    return this.#own.has(name) ? this : this.#outer?.find(name);
  }

  get(name: string): unknown {
    return this.#own.get(name);
  }
}

/** What comes after a part of a template: the next one, or the end of the round or of the whole `range`. */
type Flow = 'next' | 'break' | 'continue';

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
    const out: string[] = [];
    this.#block(this.#body, value, new Scope().declare('', value), out);
    return out.join('');
  }

  /** @throws INVALID_ARGUMENT for a field that values of this shape do not have, as `execute` would */
  check(shape: object): void {
    const known = Object.keys(shape);
    for (const field of fieldsTaken(this.#body)) if (!known.includes(field)) throw this.#noField(field, known);
  }

  /** Whether values of this shape have all the fields that it takes of its value. */
  fits(shape: object): boolean {
    return [...fieldsTaken(this.#body)].every((field) => Object.hasOwn(shape, field));
  }

  #noField(field: string, known: readonly string[]): Error {
    return this.#error(`there is no field "${field}"`, `There are ${known.join(', ')}.`);
  }

  #error(reason: string, hint?: string): Error {
    return templateError(this.#source, reason, hint);
  }

  #block(block: Block, dot: unknown, scope: Scope, out: string[]): Flow {
    for (const node of block) {
      const flow = this.#node(node, dot, scope, out);
      if (flow !== 'next') return flow;
    }
    return 'next';
  }

  #node(node: Node, dot: unknown, scope: Scope, out: string[]): Flow {
    switch (node.kind) {
      case 'text':
        out.push(node.text);
        return 'next';
      case 'print': {
        const value = this.#pipeline(node.pipeline, dot, scope);
        if (node.pipeline.assigns === undefined) out.push(goPrint(value));
        return 'next';
      }
      case 'break':
      case 'continue':
        return node.kind;
      case 'if':
      case 'with': {
        const inner = new Scope(scope);
        const value = this.#pipeline(node.pipeline, dot, inner);
        if (!isTrue(value)) return this.#block(node.otherwise, dot, inner, out);
        return this.#block(node.body, node.kind === 'with' ? value : dot, inner, out);
      }
      case 'range':
        return this.#range(node, dot, scope, out);
    }
  }

  #range(node: Node & { kind: 'range' }, dot: unknown, scope: Scope, out: string[]): Flow {
    const entries = this.#entries(this.#pipeline(node.pipeline, dot, scope));
    if (entries.length === 0) return this.#block(node.otherwise, dot, scope, out);
    for (const [key, item] of entries) {
      const inner = new Scope(scope);
      if (node.key !== undefined) inner.declare(node.key, key);
      if (node.element !== undefined) inner.declare(node.element, item);
      if (this.#block(node.body, item, inner, out) === 'break') break;
    }
    return 'next';
  }

  /** Keys and items of what `range` is given: a list, a map, or a number to count to. */
  #entries(value: unknown): readonly (readonly [unknown, unknown])[] {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value.map((item, i) => [i, item] as const);
    if (isMap(value)) return Object.entries(value);
    if (Number.isInteger(value)) return Array.from({ length: Math.max(0, Number(value)) }, (_, i) => [i, i] as const);
    throw this.#error(`range cannot iterate over ${goPrint(value)}`);
  }

  #pipeline(pipeline: Pipeline, dot: unknown, scope: Scope): unknown {
    const [first = [], ...rest] = pipeline.commands;
    let value = this.#command(first, [], dot, scope);
    for (const command of rest) value = this.#command(command, [value], dot, scope);
    if (pipeline.assigns) {
      const { name, isNew } = pipeline.assigns;
      this.#scopeOf(name, isNew ? scope.declare(name, value) : scope).declare(name, value);
    }
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
      value = this.#scopeOf(root.name, scope).get(root.name);
    }
    fields.forEach((field, i) => {
      value = this.#field(value, field, i === fields.length - 1 ? args : []);
    });
    if (args.length > 0 && fields.length === 0) throw this.#error(`${goPrint(value)} is not a function`);
    return value;
  }

  #scopeOf(variable: string, scope: Scope): Scope {
    const found = scope.find(variable);
    if (!found) throw this.#error(`undefined variable "$${variable}"`);
    return found;
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
