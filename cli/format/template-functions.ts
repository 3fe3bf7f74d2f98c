import { isDeepStrictEqual } from 'node:util';
import { invalidArgument } from '../../lib/errors.js';
import { goFormat, goPrint, isMap, isObject, isTrue } from './go-print.js';

type Fn = (...args: unknown[]) => unknown;

const text = (value: unknown): string => (typeof value === 'string' ? value : goPrint(value));

function bad(name: string, reason: string): Error {
  return invalidArgument(`${name}: ${reason}`, { value: name });
}

function list(name: string, value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw bad(name, `${goPrint(value)} is not a list`);
  return value;
}

function compare(name: string, a: unknown, b: unknown): number {
  const comparable = typeof a === typeof b && (typeof a === 'number' || typeof a === 'string');
  if (!comparable) throw bad(name, `${goPrint(a)} and ${goPrint(b)} cannot be compared`);
  return a === b ? 0 : (a as number) < (b as number) ? -1 : 1;
}

function length(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isMap(value)) return Object.keys(value).length;
  throw bad('len', `${goPrint(value)} has no length`);
}

function index(value: unknown, ...keys: unknown[]): unknown {
  return keys.reduce((current, key) => {
    if (Array.isArray(current)) {
      if (!Number.isInteger(key) || Number(key) < 0 || Number(key) >= current.length)
        throw bad('index', `${goPrint(key)} is out of range: the list has ${current.length} items`);
      return current[Number(key)];
    }
    // A missing key of a map gives its element's zero value: all of ours hold strings or objects.
    if (isObject(current)) return Object.hasOwn(current, text(key)) ? current[text(key)] : '';
    throw bad('index', `${goPrint(current)} is neither a list nor a map`);
  }, value);
}

const titleCase = (value: unknown): string => text(value).replace(/(^|\s)(\S)/g, (_, s, c) => s + c.toUpperCase());

/** Functions of templates: those of text/template and Docker's own. `and` and `or` are the evaluator's. */
export const templateFunctions: Readonly<Record<string, Fn>> = {
  json: (value) => JSON.stringify(value ?? null),
  split: (value, separator) => text(value).split(text(separator)),
  join: (values, separator) => list('join', values).map(text).join(text(separator)),
  title: titleCase,
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  pad: (value, left, right) => (value === '' ? '' : ' '.repeat(Number(left)) + text(value) + ' '.repeat(Number(right))),
  truncate: (value, size) => text(value).slice(0, Number(size)),
  print: (...values) => values.map(goPrint).join(''),
  println: (...values) => `${values.map(goPrint).join(' ')}\n`,
  printf: (format, ...values) => goFormat(text(format), values),
  html: (...values) =>
    values
      .map(goPrint)
      .join('')
      .replace(/[<>&'"]/g, (c) => `&#${c.charCodeAt(0)};`),
  urlquery: (...values) => encodeURIComponent(values.map(goPrint).join('')).replaceAll('%20', '+'),
  len: length,
  index,
  slice: (value, from, to) => {
    const end = to === undefined ? undefined : Number(to);
    return typeof value === 'string'
      ? value.slice(Number(from ?? 0), end)
      : list('slice', value).slice(Number(from ?? 0), end);
  },
  not: (value) => !isTrue(value),
  eq: (value, ...others) => others.some((other) => isDeepStrictEqual(value, other)),
  ne: (a, b) => !isDeepStrictEqual(a, b),
  lt: (a, b) => compare('lt', a, b) < 0,
  le: (a, b) => compare('le', a, b) <= 0,
  gt: (a, b) => compare('gt', a, b) > 0,
  ge: (a, b) => compare('ge', a, b) >= 0,
};
