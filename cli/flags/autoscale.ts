import { invalidArgument } from '../../lib/errors.js';
import { parseDuration } from '../../lib/units.js';
import { Autoscale } from '../../proto/gen/specs.js';
import { csvFields, type KeyValue, keyValue, requiredValue, unexpectedKey } from './csv.js';

const KEYS = ['min', 'max', 'cpu', 'connections', 'up-window', 'down-window'];
const HINT = 'It looks like min=2,max=20,cpu=60% or none.';

/**
 * A value of `--autoscale`: `min=2,max=20,cpu=60%`, with `connections=100` in place of cpu or beside it, and
 * `up-window=15s,down-window=3m`. @returns undefined for `none`
 * @throws INVALID_ARGUMENT that names the part that is wrong
 */
export function parseAutoscale(text: string): Autoscale | undefined {
  if (text.trim() === 'none') return undefined;
  const fields = csvFields(text).map(keyValue);
  const given = new Set(fields.map(({ key }) => key));
  if (!given.has('max')) throw invalidArgument('it names no max', { value: text, hint: HINT });
  if (!given.has('cpu') && !given.has('connections')) {
    throw invalidArgument('it names nothing to scale by', { value: text, hint: 'Add cpu=60% or connections=100.' });
  }
  const values = fields.flatMap((field) => Object.entries(fieldOf(field)));
  return Autoscale.create({ min: 1, ...Object.fromEntries(values) });
}

function fieldOf(field: KeyValue): Partial<Autoscale> {
  if (!KEYS.includes(field.key)) throw unexpectedKey(field.key, KEYS);
  const value = requiredValue(field);
  switch (field.key) {
    case 'min':
      return { min: wholeNumber(field.key, value) };
    case 'max':
      return { max: wholeNumber(field.key, value) };
    case 'cpu':
      return { cpuPercent: wholeNumber(field.key, value.replace(/%$/, '')) };
    case 'connections':
      return { connectionsPerSecond: wholeNumber(field.key, value) };
    case 'up-window':
      return { upWindow: parseDuration(value) };
    default:
      return { downWindow: parseDuration(value) };
  }
}

function wholeNumber(key: string, text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number > 0) return number;
  throw invalidArgument(`"${text}" is not a number for ${key}`, { value: text, hint: 'A whole number of 1 or more.' });
}
