import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import koffi from 'koffi';
import type { Clock } from '../../../../lib/clock.js';
import { internal } from '../../../../lib/errors.js';
import { missingTool } from '../tool.js';

// spawn.h, fcntl.h, wait.h: the same in glibc and musl on every architecture that node runs on.
const POSIX_SPAWN_SETSIGDEF = 4;
const POSIX_SPAWN_SETSIGMASK = 8;
const O_RDWR = 2;
const O_CLOEXEC = 0o2000000;
const WNOHANG = 1;
const ENOENT = 2;
const F_DUPFD_CLOEXEC = 1030;
/** Descriptors are copied to numbers below this in the child: none of their originals may be among them. */
const LOWEST = 16;
const REAP_POLL_MS = 5;
/** Room for any of the C library's opaque structures; the largest, posix_spawnattr_t, has 336 bytes. */
const OPAQUE = 1024;

function bindLibc() {
  const libc = koffi.load(null);
  return {
    pipe2: libc.func('int pipe2(_Out_ int *fds, int flags)'),
    fcntl: libc.func('int fcntl(int fd, int command, ...)'),
    waitpid: libc.func('int waitpid(int pid, _Out_ int *status, int options)'),
    sigfillset: libc.func('int sigfillset(uint8_t *set)'),
    sigemptyset: libc.func('int sigemptyset(uint8_t *set)'),
    attrInit: libc.func('int posix_spawnattr_init(uint8_t *attributes)'),
    attrSetFlags: libc.func('int posix_spawnattr_setflags(uint8_t *attributes, short flags)'),
    attrSetDefault: libc.func('int posix_spawnattr_setsigdefault(uint8_t *attributes, uint8_t *set)'),
    attrSetMask: libc.func('int posix_spawnattr_setsigmask(uint8_t *attributes, uint8_t *set)'),
    actionsInit: libc.func('int posix_spawn_file_actions_init(uint8_t *actions)'),
    actionsDestroy: libc.func('int posix_spawn_file_actions_destroy(uint8_t *actions)'),
    addOpen: libc.func(
      'int posix_spawn_file_actions_addopen(uint8_t *actions, int fd, const char *path, int flags, uint32_t mode)',
    ),
    addDup: libc.func('int posix_spawn_file_actions_adddup2(uint8_t *actions, int fd, int target)'),
    addChdir: libc.func('int posix_spawn_file_actions_addchdir_np(uint8_t *actions, const char *path)'),
    spawn: libc.func(
      'int posix_spawnp(_Out_ int *pid, const char *file, uint8_t *actions, uint8_t *attributes, const char **argv, const char **envp)',
    ),
  };
}

interface Bound {
  readonly libc: ReturnType<typeof bindLibc>;
  /** All signals as a new process has them: node ignores or handles some, which a child would inherit. */
  readonly attributes: Buffer;
}

let bound: Bound | undefined;

function bind(): Bound {
  if (bound) return bound;
  const libc = bindLibc();
  const attributes = Buffer.alloc(OPAQUE);
  const set = Buffer.alloc(OPAQUE);
  libc.attrInit(attributes);
  libc.sigfillset(set);
  libc.attrSetDefault(attributes, set);
  libc.sigemptyset(set);
  libc.attrSetMask(attributes, set);
  libc.attrSetFlags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  bound = { libc, attributes };
  return bound;
}

export interface Spawned {
  readonly pid: number;
  /** What it writes to its standard error and descriptor 3. */
  readonly output: Readable;
  /** Our ends of the other pipes, in their order; the caller closes them. */
  readonly pipes: readonly number[];
}

/** A pipe that the child reads or writes. */
export type PipeUse = 'read' | 'write';

/**
 * Starts a program in `/` with nothing on standard input and output, and a pipe on descriptors 2 and 3; more of
 * them from 4 on.
 *
 * node's own spawn forks: it copies the page tables of the whole daemon, which stops its event loop for
 * milliseconds, and makes each page fault anew afterwards. posix_spawn(3) shares the memory until the exec.
 * The caller must `reap` the child: node does not know it.
 * @throws FAILED_PRECONDITION when the program is not installed
 */
export function posixSpawn(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  more: readonly PipeUse[] = [],
): Spawned {
  const { libc, attributes } = bind();
  const own: number[] = [];
  const theirs: number[] = [];
  for (const use of ['write' as const, ...more]) {
    const [read, write] = pipe(libc);
    own.push(use === 'write' ? read : write);
    theirs.push(use === 'write' ? write : read);
  }
  const [output = 0, ...pipes] = own;
  const [outputEnd = 0, ...pipeEnds] = theirs;
  const actions = Buffer.alloc(OPAQUE);
  const pid = [0];
  libc.actionsInit(actions);
  let failure: number;
  try {
    libc.addOpen(actions, 0, '/dev/null', O_RDWR, 0);
    libc.addDup(actions, 0, 1);
    libc.addDup(actions, outputEnd, 2);
    libc.addDup(actions, 2, 3);
    for (const [index, end] of pipeEnds.entries()) libc.addDup(actions, end, 4 + index);
    libc.addChdir(actions, '/');
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    failure = libc.spawn(pid, program, actions, attributes, [program, ...args, null], [...variables, null]);
  } finally {
    libc.actionsDestroy(actions);
    for (const end of theirs) closeSync(end);
  }
  if (failure === 0) {
    return { pid: pid[0] ?? 0, output: new Socket({ fd: output, readable: true, writable: false }), pipes };
  }
  for (const end of own) closeSync(end);
  throw failure === ENOENT ? missingTool(program) : internal(`cannot start ${program}: error ${failure}`);
}

function pipe(libc: ReturnType<typeof bindLibc>): readonly [number, number] {
  const fds = [0, 0];
  if (libc.pipe2(fds, O_CLOEXEC) !== 0) throw internal(`cannot make a pipe: error ${koffi.errno()}`);
  return [raised(libc, fds[0] ?? 0), raised(libc, fds[1] ?? 0)];
}

function raised(libc: ReturnType<typeof bindLibc>, fd: number): number {
  if (fd >= LOWEST) return fd;
  const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 'int', LOWEST);
  closeSync(fd);
  if (copy < 0) throw internal(`cannot copy a descriptor: error ${koffi.errno()}`);
  return copy;
}

/** Waits for the end of a child that is about to end, so that no zombie is left of it. */
export async function reap(pid: number, clock: Clock): Promise<void> {
  const { libc } = bind();
  while (libc.waitpid(pid, [0], WNOHANG) === 0) await clock.sleep(REAP_POLL_MS);
}
