import { readdir, readFile, readlink } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { systemClock } from '../../../../lib/clock.js';
import { errnoOf, failedPrecondition, messageOf } from '../../../../lib/errors.js';
import { type ContainerFolder, readIfThere } from '../container/folder.js';
import { identify, isAlive, type ProcessIdentity, sendSignal } from '../container/process.js';
import { parseJsonObject } from '../images/config.js';
import { namesIn } from '../images/holders.js';
import { posixSpawn, reap } from './posix-spawn.js';
import { type Runtime, runtimeWords } from './runtime.js';

const SIGKILL = 9;
const MONITOR_POLL_MS = 5;
const MONITOR_GRACE_MS = 5000;
/** How many connections wait for it to accept them; it listens with 10. */
export const MONITOR_BACKLOG = 8;

export interface MonitorOptions {
  readonly id: string;
  readonly folder: ContainerFolder;
  readonly runtime: Runtime;
  /** conmon leaves a file named by the container's id there, with the exit code in it. */
  readonly exitDir: string;
  /** Whether what it writes is kept. */
  readonly logged: boolean;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
}

/**
 * Has conmon(8) make the container: it runs the runtime's `create`, then stays as its parent, keeps
 * its log and notes its exit, whatever becomes of us. It tells the process id through the descriptor
 * that _OCI_SYNCPIPE names, as {"data": pid} or {"data": -1, "message": "…"}.
 * @returns pid of the container's init process, which waits for the runtime's `start`
 * @throws FAILED_PRECONDITION with the runtime's words
 */
export async function createUnderMonitor(options: MonitorOptions): Promise<number> {
  const { pid, output } = posixSpawn('conmon', monitorArgs(options), {
    PATH: process.env.PATH ?? '',
    _OCI_SYNCPIPE: '3',
  });
  const answers = new Answers(output);
  try {
    const { number, words } = await answers.next();
    if (number > 0) return number;
    throw failedPrecondition(`cannot create the container: ${runtimeWords(words)}`);
  } finally {
    answers.close();
    // It leaves the monitoring to a process of its own that it forks, and ends.
    await reap(pid, systemClock);
  }
}

function monitorArgs({ id, folder, runtime, exitDir, logged, tty, openStdin, stdinOnce }: MonitorOptions): string[] {
  return [
    ...commonArgs(id, runtime.createCommand),
    ...['--bundle', folder.path, '--container-pidfile', folder.pidFile, '--conmon-pidfile', folder.conmonPidFile],
    ...['--exit-dir', exitDir, '--persist-dir', folder.path],
    ...['--log-path', logged ? `k8s-file:${folder.log}` : 'none'],
    // The log outlives us; that it should outlive a crash of the machine is not worth an fsync at each exit.
    '--no-sync-log',
    ...streamArgs({ tty, input: openStdin, inputEnds: stdinOnce }),
  ];
}

/** What each call of conmon for a container says: for the container itself, and for another process in it. */
export function commonArgs(id: string, runtime: readonly string[]): string[] {
  const [program = '', ...args] = runtime;
  return [
    ...['--api-version', '1', '--cid', id, '--cuuid', id, '--name', id],
    ...['--runtime', program, ...args.map((arg) => `--runtime-arg=${arg}`)],
    // The attach socket is in the bundle; else conmon wants a folder of links for its short path.
    ...['--full-attach', '--log-level', 'error'],
  ];
}

/** @param inputEnds when who is attached lets go; of a terminal never: conmon would go deaf for those who come after */
export function streamArgs(streams: {
  readonly tty: boolean;
  readonly input: boolean;
  readonly inputEnds: boolean;
}): string[] {
  const { tty, input, inputEnds } = streams;
  return [
    ...(tty ? ['--terminal'] : []),
    ...(input ? ['--stdin'] : []),
    ...(input && (tty || !inputEnds) ? ['--leave-stdin-open'] : []),
  ];
}

export interface Answer {
  /** A process id or exit code; not above zero when the process could not be made. */
  readonly number: number;
  /** The runtime's, then. */
  readonly words: string;
}

/** What conmon tells, among what it complains of. */
export class Answers {
  readonly #output: Readable;
  readonly #lines: AsyncIterator<string>;
  #complaints = '';

  constructor(output: Readable) {
    this.#output = output;
    this.#lines = createInterface({ input: output })[Symbol.asyncIterator]();
  }

  /** @throws FAILED_PRECONDITION with its complaints when it has ended without another answer */
  async next(): Promise<Answer> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) break;
      if (/^\{.*\}$/.test(value)) return parseAnswer(value);
      this.#complaints += `${value}\n`;
    }
    throw failedPrecondition(`conmon failed: ${runtimeWords(this.#complaints) || 'it said nothing'}`);
  }

  close(): void {
    this.#output.destroy();
  }
}

/** {"data": 42} or {"data": -1, "message": "…"} @throws FAILED_PRECONDITION for anything else */
function parseAnswer(line: string): Answer {
  try {
    const { data, message } = parseJsonObject(line, "conmon's answer");
    if (typeof data !== 'number') throw new Error(line);
    return { number: data, words: typeof message === 'string' ? message : '' };
  } catch (error) {
    throw failedPrecondition(`conmon failed: ${messageOf(error)}`, { cause: error });
  }
}

/** The conmon process of a container; undefined when it has none, or none any more. */
export async function monitorOf(folder: ContainerFolder): Promise<ProcessIdentity | undefined> {
  const pid = Number(await readIfThere(folder.conmonPidFile));
  const monitor = pid > 0 ? identify(pid) : undefined;
  return monitor && (await readIfThere(`/proc/${pid}/comm`))?.trim() === 'conmon' ? monitor : undefined;
}

/**
 * Waits until a monitor has accepted those who have connected to it. It accepts one in each turn of its loop, which
 * may read output in the same turn: that would be lost to the others.
 * @param sockets that it has then
 */
export async function accepted(monitor: ProcessIdentity, sockets: number): Promise<void> {
  for (let waited = 0; isAlive(monitor); waited += MONITOR_POLL_MS) {
    if ((await socketsOf(monitor)) >= sockets || waited > MONITOR_GRACE_MS) return;
    await systemClock.sleep(MONITOR_POLL_MS);
  }
}

/** How many sockets a process has open. */
export async function socketsOf({ pid }: ProcessIdentity): Promise<number> {
  const folder = `/proc/${pid}/fd`;
  const links = (await namesIn(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => ''));
  return (await Promise.all(links)).filter((link) => link.startsWith('socket:')).length;
}

/**
 * Waits until the monitor of a container that has exited is gone: until then it writes to the
 * container's folder. One that does not go by itself is killed.
 */
export async function monitorGone(folder: ContainerFolder): Promise<void> {
  const monitor = await monitorOf(folder);
  if (!monitor) return;
  for (let waited = 0; isAlive(monitor); waited += MONITOR_POLL_MS) {
    if (waited > MONITOR_GRACE_MS) sendSignal(monitor, SIGKILL);
    await systemClock.sleep(MONITOR_POLL_MS);
  }
}

/**
 * The runtime's word on a container, once a creation that may be under way has come to its end:
 * conmon finishes it though who asked for it was killed.
 */
export async function settledStatus(runtime: Runtime, id: string): Promise<string | undefined> {
  for (let waited = 0; ; waited += MONITOR_POLL_MS) {
    const monitored = await hasMonitor(id);
    const status = await runtime.status(id);
    if (status !== undefined && status !== 'creating') return status;
    if (!monitored || waited > MONITOR_GRACE_MS) return undefined;
    await systemClock.sleep(MONITOR_POLL_MS);
  }
}

/** Looks through all processes: conmon may not have written its number down yet. */
async function hasMonitor(id: string): Promise<boolean> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const [program, ...args] = await commandOf(pid);
    if (program?.endsWith('conmon') && args[args.indexOf('--cid') + 1] === id) return true;
  }
  return false;
}

async function commandOf(pid: string): Promise<string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
}
