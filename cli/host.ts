import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { errnoOf, invalidArgument, permissionDenied, unavailable } from '../lib/errors.js';

export const RUN_ROOT = '/run/tsswarm';
const SOCKET = 'tsswarm.sock';

/** Path of the socket of a daemon whose run folder this is. */
export function socketIn(runRoot: string): string {
  return path.join(runRoot, SOCKET);
}

/**
 * The socket path of a `unix:///path` (or a bare absolute path).
 * @throws INVALID_ARGUMENT for anything else
 */
export function parseHost(host: string): string {
  const socket = host.startsWith('unix://') ? host.slice('unix://'.length) : host;
  if (socket.startsWith('/')) return socket;
  throw invalidArgument(`"${host}" is not a daemon's address`, {
    value: host,
    hint: 'A daemon listens on a unix socket: unix:///run/tsswarm/tsswarm.sock.',
  });
}

/** Whether a daemon accepts connections. @throws PERMISSION_DENIED when we may not ask */
export function isListening(socket: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', (error) => {
      if (errnoOf(error) === 'EACCES')
        reject(
          permissionDenied(`permission denied on the daemon's socket ${socket}`, {
            value: socket,
            hint: 'Run this as root or as a member of the group tsswarm.',
          }),
        );
      else resolve(false);
    });
  });
}

function socketsBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => socketIn(path.join(folder, entry.name)))
      .sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EACCES') return [];
    throw error;
  }
}

async function listening(sockets: readonly string[]): Promise<string[]> {
  const answers = await Promise.all(sockets.map(isListening));
  return sockets.filter((_, i) => answers[i]);
}

/**
 * The socket of the daemon to talk to: the one asked for (`-H`, TSSWARM_HOST), else the machine's
 * own, else the only one there is, else that of a lab's node1.
 * @throws UNAVAILABLE with what to do when none answers
 */
export async function findDaemon(asked: string | undefined, runRoot = RUN_ROOT): Promise<string> {
  if (asked !== undefined && asked !== '') {
    const socket = parseHost(asked);
    if (await isListening(socket)) return socket;
    throw unavailable(`Cannot connect to the tsswarm daemon at unix://${socket}. Is tsswarmd running?`, {
      value: asked,
      hint: 'Check the address given by -H or TSSWARM_HOST.',
    });
  }
  const own = socketIn(runRoot);
  if (await isListening(own)) return own;
  const lab = path.join(runRoot, 'lab');
  const others = await listening([...socketsBelow(runRoot), ...socketsBelow(lab)]);
  const node1 = socketIn(path.join(lab, 'node1'));
  const found = others.length === 1 ? others[0] : others.find((socket) => socket === node1);
  if (found !== undefined) return found;
  if (others.length > 1)
    throw unavailable(`several tsswarm daemons run here: ${others.map((s) => `unix://${s}`).join(', ')}`, {
      hint: 'Choose one by -H or TSSWARM_HOST.',
    });
  throw unavailable(`Cannot connect to the tsswarm daemon at unix://${own}. Is tsswarmd running?`, {
    value: own,
    hint: 'Use "tsswarm init" or "tsswarm join" to start one on this machine, or "tsswarm lab up" for a local lab.',
  });
}
