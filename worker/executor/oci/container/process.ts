import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf, invalidArgument } from '../../../../lib/errors.js';

/** A process that is told from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot. */
  readonly start: number;
  /** /proc/sys/kernel/random/boot_id of the boot that `start` counts from. */
  readonly boot: string;
}

let bootId: string | undefined;

function boot(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

/** Start time of a process, from /proc/PID/stat (proc_pid_stat(5)); undefined when it is gone or a zombie. */
function startOf(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
  // The program's name, in parentheses, may hold anything; fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
}

/** Undefined when there is no such process. */
export function identify(pid: number): ProcessIdentity | undefined {
  const start = startOf(pid);
  return start === undefined ? undefined : { pid, start, boot: boot() };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identity.boot === boot() && startOf(identity.pid) === identity.start;
}

/** Sends a signal; false when the process is gone. */
export function sendSignal(identity: ProcessIdentity, signal: number): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}

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
