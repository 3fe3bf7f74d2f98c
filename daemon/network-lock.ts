import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { errnoOf, failedPrecondition, type SwarmError } from '../lib/errors.js';
import { findSocketOwners, type SocketOwner } from '../netlb/kernel/socket-owners.js';

/** Abstract sockets have their names in a network namespace, and go with the process that has them. */
const NAME = 'tsswarmd';

/**
 * Makes this process the only tsswarmd of its network namespace, whatever folders it has: of two, each would take
 * what the other has made in the kernel for what nobody asked for, and remove it.
 * @returns what gives the lock back
 * @throws FAILED_PRECONDITION with the pid of who has it
 */
export async function lockNetwork(name: string = NAME): Promise<() => void> {
  for (;;) {
    const unlock = await listen(name);
    if (unlock) return unlock;
    const refusal = taken(holderOf(name));
    if (refusal) throw refusal;
  }
}

/** Undefined when somebody has the name. */
function listen(name: string): Promise<(() => void) | undefined> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error) => (errnoOf(error) === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen({ path: `\0${name}`, exclusive: true }, () => {
      server.unref();
      resolve(() => server.close());
    });
  });
}

/** Why there can be no lock; undefined when the holder has ended since it was found, and its lock with it. */
export function taken(holder: SocketOwner | undefined): SwarmError | undefined {
  const process = holder && statSync(`/proc/${holder.pid}`, { throwIfNoEntry: false });
  if (holder && !process) return undefined;
  if (!holder || process?.uid === 0)
    return failedPrecondition(
      `another tsswarmd (${holder ? `pid ${holder.pid}` : 'of another pid namespace'}) runs in this network namespace`,
      {
        value: holder ? String(holder.pid) : undefined,
        hint: 'Stop it: a namespace has the network of one node. A lab ("tsswarm lab up") gives each of several nodes its own.',
      },
    );
  return failedPrecondition(`${holder.command} (pid ${holder.pid}) has the abstract socket @${NAME} of tsswarmd`, {
    value: String(holder.pid),
    hint: 'It is no tsswarmd, which runs as root: end it.',
  });
}

/** Undefined when it cannot be seen from here. */
function holderOf(name: string): SocketOwner | undefined {
  const inodes = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , flags, , , , path]) => flags === LISTENS && path?.replace(/@+$/, '') === `@${name}`)
    .map(([, , , , , , inode]) => Number(inode));
  return findSocketOwners(new Set(inodes)).values().next().value;
}

/** SO_ACCEPTCON, in /proc/net/unix. */
const LISTENS = '00010000';
