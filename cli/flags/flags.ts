import { invalidArgument, SwarmError } from '../../lib/errors.js';
import { parseBytes, parseCpus, parseDuration } from '../../lib/units.js';

/** `--update-delay` → `updateDelay`, the name under which commander keeps a value. */
const keyOf = (flag: string): string => flag.replace(/-([a-z0-9])/g, (_, c: string) => c.toUpperCase());

/** A flag has a value that it cannot have. */
export class FlagError extends SwarmError {}

/** The error of a flag's value, in Docker's words. */
export function badFlag(flag: string, value: string, reason: string, hint?: string): FlagError {
  return new FlagError('INVALID_ARGUMENT', `invalid argument "${value}" for "--${flag}" flag: ${reason}`, {
    value,
    hint,
  });
}

/** Runs a parser of a flag's value; what it throws is said to be about that flag. */
export function inFlag<T>(flag: string, value: string, parse: (value: string) => T): T {
  try {
    return parse(value);
  } catch (error) {
    if (!(error instanceof SwarmError)) throw error;
    throw badFlag(flag, value, error.message, error.hint);
  }
}

/**
 * The flags of one call by their names on the command line. A getter gives undefined for a flag
 * that was not given and throws INVALID_ARGUMENT, naming flag and value, for one that does not parse.
 */
export class Flags {
  readonly #values: Readonly<Record<string, unknown>>;

  /** @param values as commander's `opts()` */
  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values;
  }

  /** The same with others, by commander's names. */
  with(values: Readonly<Record<string, unknown>>): Flags {
    return new Flags({ ...this.#values, ...values });
  }

  has(flag: string): boolean {
    if (flag.startsWith('no-')) return this.#values[keyOf(flag.slice(3))] === false;
    return this.#values[keyOf(flag)] !== undefined;
  }

  text(flag: string): string | undefined {
    const value = this.#values[keyOf(flag)];
    return typeof value === 'string' ? value : undefined;
  }

  list(flag: string): readonly string[] {
    const value = this.#values[keyOf(flag)];
    if (Array.isArray(value)) return value as string[];
    return typeof value === 'string' ? [value] : [];
  }

  /** A list flag whose values may also be joined by commas, as `--subnet a,b`. */
  commaList(flag: string): readonly string[] {
    return this.list(flag).flatMap((value) => value.split(','));
  }

  /** Undefined when not given: `--init=false` differs from no `--init`. */
  boolean(flag: string): boolean | undefined {
    if (flag.startsWith('no-')) return this.has(flag);
    const value = this.#values[keyOf(flag)];
    return typeof value === 'boolean' ? value : undefined;
  }

  on(flag: string): boolean {
    return this.boolean(flag) === true;
  }

  choice<T extends string>(flag: string, choices: readonly T[]): T | undefined {
    const value = this.text(flag);
    if (value === undefined) return undefined;
    const choice = choices.find((c) => c === value);
    if (choice === undefined) throw badFlag(flag, value, `must be one of ${choices.join(', ')}`);
    return choice;
  }

  integer(flag: string, min = 0, max = Number.MAX_SAFE_INTEGER): number | undefined {
    return this.#parsed(flag, (value) => {
      const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
      if (number >= min && number <= max) return number;
      const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`;
      throw invalidArgument(`must be a whole number ${range}`);
    });
  }

  ratio(flag: string): number | undefined {
    return this.#parsed(flag, (value) => {
      const number = /^\d*\.?\d+$/.test(value) ? Number(value) : Number.NaN;
      if (number >= 0 && number <= 1) return number;
      throw invalidArgument('must be a number from 0 to 1');
    });
  }

  /** Nanoseconds. */
  duration(flag: string): number | undefined {
    return this.#parsed(flag, (value) => {
      const ns = parseDuration(value);
      if (!Number.isSafeInteger(ns)) throw invalidArgument('must not be more than 2501h');
      return ns;
    });
  }

  bytes(flag: string): number | undefined {
    return this.#parsed(flag, parseBytes);
  }

  /** Billionths of a CPU. */
  cpus(flag: string): number | undefined {
    return this.#parsed(flag, parseCpus);
  }

  /** Each value of a list flag through a parser. */
  each<T>(flag: string, parse: (value: string) => T): T[] {
    return this.list(flag).map((value) => inFlag(flag, value, parse));
  }

  #parsed<T>(flag: string, parse: (value: string) => T): T | undefined {
    const value = this.text(flag);
    return value === undefined ? undefined : inFlag(flag, value, parse);
  }
}
