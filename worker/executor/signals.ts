import { constants } from 'node:os';
import { invalidArgument } from '../../lib/errors.js';

const REALTIME = { RTMIN: 34, RTMAX: 64 } as const;

/** `SIGTERM`, `term`, `15`, `SIGRTMIN+3` as a number. @throws INVALID_ARGUMENT */
export function parseSignal(text: string): number {
  const number = signalNumber(text);
  if (number === 0) {
    throw invalidArgument(`invalid signal: ${text}`, { value: text, hint: 'A signal looks like SIGTERM, TERM or 15.' });
  }
  return number;
}

export const isSignal = (text: string): boolean => signalNumber(text) !== 0;

/** @returns 0 when it is none */
function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const known = (constants.signals as Readonly<Record<string, number>>)[`SIG${name}`];
  const realtime = /^(RTMIN|RTMAX)([+-]\d+)?$/.exec(name);
  const number = /^\d+$/.test(name)
    ? Number(name)
    : (known ?? (realtime ? REALTIME[realtime[1] as keyof typeof REALTIME] + Number(realtime[2] ?? 0) : 0));
  return number >= 1 && number <= REALTIME.RTMAX ? number : 0;
}

/** Those that are meant to end a process, whatever its own stop signal is. */
const ENDING_SIGNALS: ReadonlySet<number> = new Set(['INT', 'QUIT', 'KILL', 'TERM'].map(parseSignal));

/** Whether a signal is meant to end a process. @param stopSignal its own; empty: it has none */
export const endsProcess = (signal: number, stopSignal: string): boolean =>
  ENDING_SIGNALS.has(signal) || (stopSignal !== '' && signal === parseSignal(stopSignal));
