import { readdir, readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { systemClock } from '../../../../lib/clock.js';
import { errnoOf, failedPrecondition, messageOf } from '../../../../lib/errors.js';
import { type ContainerFolder, readIfThere } from '../container/folder.js';
import { identify, isAlive, type ProcessIdentity, sendSignal } from '../container/process.js';
import { parseJsonObject } from '../images/config.js';
import { posixSpawn, reap } from './posix-spawn.js';
import { type Runtime, runtimeWords } from './runtime.js';

const SIGKILL = 9;
/** The whole line with the answer, among those of complaints. */
const ANSWER = /^\{.*\}$/m;
const MONITOR_POLL_MS = 5;
const MONITOR_GRACE_MS = 5000;

export interface MonitorOptions {
  readonly id: string;
  readonly folder: ContainerFolder;
  readonly runtime: Runtime;
  /** conmon leaves a file named by the container's id there, with the exit code in it. */
  readonly exitDir: string;
  readonly socketDir: string;
  readonly logSizeMax: number;
  readonly tty: boolean;
  readonly openStdin: boolean;
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
  try {
    return parseAnswer(await answerIn(output));
  } finally {
    output.destroy();
    // It leaves the monitoring to a process of its own that it forks, and ends.
    await reap(pid, systemClock);
  }
}

function monitorArgs({
  id,
  folder,
  runtime,
  exitDir,
  socketDir,
  logSizeMax,
  tty,
  openStdin,
}: MonitorOptions): string[] {
  const [program = '', ...args] = runtime.createCommand;
  return [
    ...['--api-version', '1', '--cid', id, '--cuuid', id, '--name', id],
    ...['--runtime', program, ...args.map((arg) => `--runtime-arg=${arg}`)],
    ...['--bundle', folder.path, '--container-pidfile', folder.pidFile, '--conmon-pidfile', folder.conmonPidFile],
    ...['--exit-dir', exitDir, '--persist-dir', folder.path, '--socket-dir-path', socketDir],
    ...['--log-path', `k8s-file:${folder.log}`, '--log-size-max', String(logSizeMax), '--log-level', 'error'],
    // The log outlives us; that it should outlive a crash of the machine is not worth an fsync at each exit.
    '--no-sync-log',
    ...(tty ? ['--terminal'] : []),
    ...(openStdin ? ['--stdin', '--leave-stdin-open'] : []),
  ];
}

/** Everything up to the answer; without one conmon has ended, and it is all that it complained of. */
async function answerIn(output: Readable): Promise<string> {
  let all = '';
  for await (const chunk of output.setEncoding('utf8')) {
    all += chunk;
    if (ANSWER.test(all)) break;
  }
  return all;
}

/** @throws FAILED_PRECONDITION */
export function parseAnswer(output: string): number {
  const answer = ANSWER.exec(output)?.[0];
  if (answer === undefined) throw failedPrecondition(`conmon failed: ${runtimeWords(output) || 'it said nothing'}`);
  try {
    const { data, message } = parseJsonObject(answer, "conmon's answer");
    if (typeof data === 'number' && data > 0) return data;
    throw failedPrecondition(runtimeWords(typeof message === 'string' ? message : answer));
  } catch (error) {
    throw failedPrecondition(`cannot create the container: ${messageOf(error)}`, { cause: error });
  }
}

/** The conmon process of a container; undefined when it has none, or none any more. */
export async function monitorOf(folder: ContainerFolder): Promise<ProcessIdentity | undefined> {
  const pid = Number(await readIfThere(folder.conmonPidFile));
  const monitor = pid > 0 ? identify(pid) : undefined;
  return monitor && (await readIfThere(`/proc/${pid}/comm`))?.trim() === 'conmon' ? monitor : undefined;
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
