import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { commandOf, DEFAULT_LAB, labFolder, labLayout, OTHER_LABS, RUN_ROOT, titleOf } from '../lab/layout.js';
import { errnoOf, invalidArgument, permissionDenied, unavailable } from '../lib/errors.js';

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

/** Folders in a folder; none when it is not there, or not ours to see. */
function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(folder, entry.name))
      .sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EACCES') return [];
    throw error;
  }
}

/** Sockets of the daemons whose run folders are in this one. */
const socketsBelow = (folder: string): string[] => foldersIn(folder).map(socketIn);

const node1In = (labRunRoot: string): string => socketIn(path.join(labRunRoot, 'node1'));

async function listening(sockets: readonly string[]): Promise<string[]> {
  const answers = await Promise.all(sockets.map(isListening));
  return sockets.filter((_, i) => answers[i]);
}

/**
 * The socket of the daemon to talk to: the one asked for (`-H`, TSSWARM_HOST), else one of the lab that is
 * (TSSWARM_LAB), its node1 when that runs; else the machine's own, else the only one there is, else node1's
 * of the default lab or of the only lab.
 * @throws UNAVAILABLE with what to do when none answers
 */
export async function findDaemon(
  asked: string | undefined,
  lab: string | undefined = undefined,
  runRoot = RUN_ROOT,
): Promise<string> {
  if (asked !== undefined && asked !== '') {
    const socket = parseHost(asked);
    if (await isListening(socket)) return socket;
    throw unavailable(`Cannot connect to the tsswarm daemon at unix://${socket}. Is tsswarmd running?`, {
      value: asked,
      hint: 'Check the address given by -H or TSSWARM_HOST.',
    });
  }
  if (lab !== undefined && lab !== '') return findInLab(lab, runRoot);
  const own = socketIn(runRoot);
  if (await isListening(own)) return own;
  const labs = [labFolder(runRoot, DEFAULT_LAB), ...foldersIn(path.join(runRoot, OTHER_LABS))];
  const others = await listening([runRoot, ...labs].flatMap(socketsBelow));
  const [first, ...more] = labs.map(node1In).filter((socket) => others.includes(socket));
  const ofLab = first === node1In(labFolder(runRoot, DEFAULT_LAB)) || more.length === 0 ? first : undefined;
  const found = others.length === 1 ? others[0] : ofLab;
  if (found !== undefined) return found;
  if (others.length > 1)
    throw unavailable(`several tsswarm daemons run here: ${others.map((s) => `unix://${s}`).join(', ')}`, {
      hint: 'Choose one by -H or TSSWARM_HOST, or a lab by TSSWARM_LAB.',
    });
  throw unavailable(`Cannot connect to the tsswarm daemon at unix://${own}. Is tsswarmd running?`, {
    value: own,
    hint: 'Use "tsswarm init" or "tsswarm join" to start one on this machine, or "tsswarm lab up" for a local lab.',
  });
}

async function findInLab(name: string, runRoot: string): Promise<string> {
  const lab = labLayout(name);
  const folder = labFolder(runRoot, name);
  const sockets = await listening(socketsBelow(folder));
  const found = sockets.find((socket) => socket === node1In(folder)) ?? sockets[0];
  if (found !== undefined) return found;
  throw unavailable(`no daemon of the ${titleOf(lab)} answers`, {
    value: name,
    hint: `TSSWARM_LAB names it; "${commandOf(lab, 'up')}" makes it.`,
  });
}
