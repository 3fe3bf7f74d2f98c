import { inNetns, runAsync } from './run.js';

export interface WrkFigures {
  readonly requestsPerSecond: number;
  /** Milliseconds within which 99 % of the requests were answered. */
  readonly p99: number;
  readonly bytesPerSecond: number;
}

export interface WrkOptions {
  readonly seconds: number;
  readonly connections?: number;
  /** A new connection for each request. */
  readonly close?: boolean;
}

/** One run of wrk, with one thread, from a network namespace of `ip netns`. @throws when any request failed */
export async function wrk(
  netns: string,
  url: string,
  { seconds, connections = 32, close = false }: WrkOptions,
): Promise<WrkFigures> {
  const options = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...(close ? ['-H', 'Connection: close'] : []),
  ];
  return parseWrk(await runAsync(...inNetns(netns, 'wrk', ...options, url)));
}

const BYTES: Readonly<Record<string, number>> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 };
const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };

/** What wrk printed. @throws when it speaks of failed requests, or not of all figures */
export function parseWrk(output: string): WrkFigures {
  if (/Non-2xx|Socket errors: connect [1-9]/.test(output)) throw new Error(`wrk had errors: ${output}`);
  const find = (pattern: RegExp, units: Readonly<Record<string, number>>): number => {
    const [, value, unit = ''] = pattern.exec(output) ?? [];
    if (value === undefined) throw new Error(`wrk did not print ${pattern}: ${output}`);
    return Number(value) * (unit === '' ? 1 : (units[unit] ?? Number.NaN));
  };
  return {
    requestsPerSecond: find(/Requests\/sec:\s+([\d.]+)/, {}),
    p99: find(/99%\s+([\d.]+)(us|ms|s|m)/, MILLISECONDS),
    bytesPerSecond: find(/Transfer\/sec:\s+([\d.]+)(B|KB|MB|GB)/, BYTES),
  };
}
