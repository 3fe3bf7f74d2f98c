import { invalidArgument } from './errors.js';

const NANOSECONDS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, µs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };
const BYTES: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/**
 * Nanoseconds of a Go duration: `1m30s`, `250ms`, `0`.
 * @throws INVALID_ARGUMENT that names the value
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text) {
    throw invalidArgument(`"${text}" is not a duration`, {
      value: text,
      hint: 'A duration looks like 10s, 1m30s or 250ms.',
    });
  }
  return Math.round(parts.reduce((sum, [, n, unit]) => sum + Number(n) * (NANOSECONDS[unit as string] as number), 0));
}

/**
 * Bytes of a size as docker takes it: `64m`, `1.5GiB`, `1024`. Units are powers of 1024.
 * @throws INVALID_ARGUMENT that names the value
 */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([bkmgtp])(?:i?b)?)?$/i.exec(text.trim());
  if (!match)
    throw invalidArgument(`"${text}" is not a size`, { value: text, hint: 'A size looks like 64m, 1g or 1073741824.' });
  return Math.round(Number(match[1]) * (BYTES[(match[2] ?? 'b').toLowerCase()] as number));
}

/**
 * Billionths of a CPU of a decimal number: `0.5`, `2`.
 * @throws INVALID_ARGUMENT that names the value
 */
export function parseCpus(text: string): number {
  if (!/^(?:\d+(?:\.\d{1,9})?|\.\d{1,9})$/.test(text))
    throw invalidArgument(`"${text}" is not a number of CPUs`, {
      value: text,
      hint: 'A number of CPUs looks like 0.5 or 2.',
    });
  return Math.round(Number(text) * 1e9);
}
