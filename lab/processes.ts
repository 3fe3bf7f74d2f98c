import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import path from 'node:path';
import { errnoOf } from '../lib/errors.js';
import { CGROUP_ROOT, type LabLayout, type NodeLayout, owns } from './layout.js';

/** A running process, as /proc shows it. Zombies are not listed: nothing of them is left but a number. */
export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly argv: readonly string[];
  /** Paths in all cgroup hierarchies. */
  readonly cgroups: readonly string[];
  /** Inode of its network namespace; 0 when it may not be seen. */
  readonly networkNamespace: number;
}

export function processes(): readonly Process[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    const found = readProcess(Number(entry));
    return found ? [found] : [];
  });
}

function readProcess(pid: number): Process | undefined {
  try {
    // The command in parentheses can hold anything, spaces and parentheses too.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    return {
      pid,
      parent: Number(parent),
      argv: readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1),
      cgroups: readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        .split('\n')
        .map((line) => line.split(':').slice(2).join(':')),
      networkNamespace: namespaceInode(pid),
    };
  } catch (error) {
    // It has ended while it was being read.
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

function namespaceInode(pid: number): number {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1] ?? 0);
  } catch (error) {
    if (errnoOf(error) === 'EACCES') return 0;
    throw error;
  }
}

const isUnder = (text: string, folder: string) => text === folder || text.startsWith(`${folder}/`);

/** Whether it is the node's daemon, or that of any node of the lab. */
export function isDaemon({ argv }: Process, place: LabLayout | NodeLayout): boolean {
  const runRoot = argv[argv.indexOf('--run-root') + 1] ?? '';
  // `tsswarmd …`, or `node --its-flags …/tsswarmd …`
  const [program = '', script = ''] = argv.filter((arg, i) => i === 0 || !arg.startsWith('-'));
  if (path.basename(program) !== 'tsswarmd' && path.basename(script) !== 'tsswarmd') return false;
  return isUnder(runRoot, place.runRoot);
}

const HELPERS = new Set(['conmon', 'runc', 'crun', 'skopeo', 'umoci']);

/** Whether it was started for a task or image of the node or lab: in its cgroups, or a tool at work in its folders. */
export function isContainer({ argv, cgroups }: Process, place: LabLayout | NodeLayout): boolean {
  if (cgroups.some((cgroup) => isUnder(cgroup, CGROUP_ROOT) && owns(place, cgroup.split('/')[2] ?? ''))) return true;
  const folders = [place.runRoot, place.dataRoot];
  return (
    HELPERS.has(path.basename(argv[0] ?? '')) && argv.some((arg) => folders.some((folder) => isUnder(arg, folder)))
  );
}

/**
 * Processes that end with the lab: daemons, containers, and whatever runs in its namespaces, but never the caller.
 * @param namespaces inodes of the lab's namespaces
 */
export function labProcesses(lab: LabLayout, namespaces: ReadonlySet<number>): readonly Process[] {
  const all = processes();
  const spared = ancestors(all, process.pid);
  return all.filter(
    (p) => !spared.has(p.pid) && (isDaemon(p, lab) || isContainer(p, lab) || namespaces.has(p.networkNamespace)),
  );
}

function ancestors(all: readonly Process[], pid: number): ReadonlySet<number> {
  const byPid = new Map(all.map((p) => [p.pid, p]));
  const seen = new Set<number>();
  for (let p = pid; p > 0 && !seen.has(p); p = byPid.get(p)?.parent ?? 0) seen.add(p);
  return seen;
}

/** Inodes of namespaces by their files; files that are no namespace (any more) are left out. */
export function namespaceInodes(files: readonly string[]): ReadonlySet<number> {
  const own = statSync('/proc/self/ns/net');
  return new Set(
    files.flatMap((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat && stat.dev === own.dev && stat.ino !== own.ino ? [stat.ino] : [];
    }),
  );
}

/** Sends a signal; a process that has ended by itself is fine. @throws when it is not permitted */
export function signalAll(pids: Iterable<number>, signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw error;
    }
  }
}
