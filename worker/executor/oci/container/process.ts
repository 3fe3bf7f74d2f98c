import { readFileSync } from 'node:fs';
import { errnoOf } from '../../../../lib/errors.js';

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

/** Fields of /proc/PID/stat (proc_pid_stat(5)) from the third, the state, on; undefined when the process is gone. */
function fieldsOf(pid: number): string[] | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
  // The program's name, in parentheses, may hold anything; fields are counted from behind it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Start time of a process; undefined when it is gone or a zombie. */
function startOf(pid: number): number | undefined {
  const fields = fieldsOf(pid);
  return !fields || fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
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

/**
 * Kills a process with all of its group, when that is its own: it leads it, or the runtime that has made both has
 * ended.
 */
export function killGroup(identity: ProcessIdentity): void {
  if (!isAlive(identity)) return;
  const { pid } = identity;
  const group = Number(fieldsOf(pid)?.[2]);
  const own = group > 1 && (group === pid || identify(group) === undefined);
  try {
    process.kill(own ? -group : pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
