import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../../lib/errors.js';

/** A process that has a socket. */
export interface SocketOwner {
  readonly pid: number;
  /** As `ps -o comm` shows it: at most 15 characters. */
  readonly command: string;
}

/**
 * Which processes have these sockets, by inode: of several the one with the lowest id, which the others come of.
 * One of another pid namespace, of the kernel itself, or of a process that we may not look into, is missing. Looks at every descriptor of
 * every process: not to be called without need.
 */
export function findSocketOwners(inodes: ReadonlySet<number>, proc = '/proc'): Map<number, SocketOwner> {
  const owners = new Map<number, SocketOwner>();
  const pids = readdirSync(proc).flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  for (const pid of pids.sort((a, b) => a - b)) {
    if (owners.size === inodes.size) break;
    const held = heldBy(`${proc}/${pid}/fd`).filter((inode) => inodes.has(inode) && !owners.has(inode));
    if (held.length === 0) continue;
    const command = ifThere(() => readFileSync(`${proc}/${pid}/comm`, 'utf8').trim());
    if (command !== undefined) for (const inode of held) owners.set(inode, { pid, command });
  }
  return owners;
}

/** Inodes of a process's sockets, of `socket:[4711]`; none when the process has ended. */
function heldBy(folder: string): number[] {
  const descriptors = ifThere(() => readdirSync(folder)) ?? [];
  return descriptors.flatMap((descriptor) => {
    const target = ifThere(() => readlinkSync(`${folder}/${descriptor}`)) ?? '';
    const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
    return inode === undefined ? [] : [Number(inode)];
  });
}

/** What has ended or been closed meanwhile, and what only a greater capability than ours may look into. */
const OUT_OF_SIGHT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

/** Undefined for what is out of sight. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (OUT_OF_SIGHT.has(errnoOf(error))) return undefined;
    throw error;
  }
}
