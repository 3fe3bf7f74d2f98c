import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A three-node swarm of some make, on this machine, that a comparison drives. */
export interface BenchSwarm {
  readonly name: string;
  up(): Promise<void>;
  createNetwork(name: string): Promise<void>;
  /** Returns when the swarm has accepted it, not when it runs. Tasks run `TASK_COMMAND`. */
  createService(name: string, replicas: number, network: string): Promise<void>;
  scale(name: string, replicas: number): Promise<void>;
  /** Tasks that the managers know to be running and that shall run. */
  running(name: string): Promise<number>;
  removeService(name: string): Promise<void>;
  /** Resident memory, in bytes, of all processes that run the node, containers' own processes left out. */
  nodeMemory(node: number): number;
  down(): Promise<void>;
}

/** What every task of a comparison sleeps, so that its processes are found whatever started them. */
const MARKER = '86399';

/** Ends at once when it is asked to, as a server should; as process 1, a bare sleep would ignore SIGTERM. */
export const TASK_COMMAND: readonly string[] = ['sh', '-c', `trap 'exit 0' TERM; sleep ${MARKER} & wait`];

/** Shell lines that make the tasks' root filesystem in a folder. */
export const taskRootfs = (folder: string): string =>
  `mkdir -p ${folder}/bin && cp /bin/busybox ${folder}/bin/ && ln -sf busybox ${folder}/bin/sh && ln -sf busybox ${folder}/bin/sleep`;

/** Processes on this machine whose command line is the tasks' own. */
export function taskProcesses(): number {
  return pids().filter(
    (pid) => /(^|\/)(busybox\0)?sleep\0/.test(cmdline(pid)) && cmdline(pid).includes(`\0${MARKER}\0`),
  ).length;
}

export function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Arguments separated and ended by NUL; empty when the process is gone. */
export function cmdline(pid: number): string {
  return readProc(pid, 'cmdline');
}

/** Resident bytes less what is shared with other processes' mappings: the process's own part (PSS). */
export function residentBytes(pid: number): number {
  const pss = /^Pss:\s+(\d+) kB/m.exec(readProc(pid, 'smaps_rollup'));
  return pss ? Number(pss[1]) * 1024 : 0;
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // it has ended since it was listed
  }
}

/** Rare enough that asking does not slow down what is measured. */
const POLL_MS = 10;

/** Milliseconds until `done` holds. @throws after `limit` milliseconds, with what was seen last */
export async function until(done: () => Promise<boolean> | boolean, limit: number, what: string): Promise<number> {
  const start = performance.now();
  while (!(await done())) {
    if (performance.now() - start > limit) throw new Error(`${what}: not within ${limit} ms`);
    await sleep(POLL_MS);
  }
  return performance.now() - start;
}
