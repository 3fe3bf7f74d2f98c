import { chmod, chown, readFile, rm } from 'node:fs/promises';
import { errnoOf } from '../lib/errors.js';
import type { RpcServer } from '../proto/rpc/server.js';

const GROUP = 'tsswarm';

/**
 * The umask that a daemon is to have. Whatever it was started with, nothing that it makes, a socket
 * between bind(2) and chmod(2) among it, may be written by others; and what containers read stays readable.
 */
export const FILE_MODE_MASK = 0o022;

/**
 * Listens on a unix socket that root and the members of the group tsswarm (if there is one) may use.
 * The caller holds the lock of the run root: a socket that is there is one that a crash left.
 */
export async function listenLocally(server: RpcServer, socket: string): Promise<void> {
  await rm(socket, { force: true });
  await server.listen(`unix://${socket}`);
  // Connecting takes the right to write, which by the umask (FILE_MODE_MASK) nobody but root has until here.
  const gid = groupId(await groups(), GROUP);
  if (gid !== undefined) await chown(socket, 0, gid);
  await chmod(socket, 0o660);
}

async function groups(): Promise<string> {
  try {
    return await readFile('/etc/group', 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}

/** Number of a group in the text of /etc/group (group(5)). */
export function groupId(etcGroup: string, name: string): number | undefined {
  const line = etcGroup.split('\n').find((entry) => entry.startsWith(`${name}:`));
  const gid = Number(line?.split(':')[2] || Number.NaN);
  return Number.isInteger(gid) ? gid : undefined;
}
