import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { constants } from 'node:os';
import { failedPrecondition, notFound } from '../lib/errors.js';
import { labNode } from './lab.js';
import { CLIENT, commandOf, type LabLayout, namespaceFile, nodeLayout, SWITCH, titleOf } from './layout.js';

const NOT_FOUND = 127;
const SIGNALED = 128;

/**
 * Runs a command in the network namespace of a node, of the client or of the switch, on this
 * process's terminal. TSSWARM_LAB names the lab, TSSWARM_HOST the node's daemon; elsewhere, node1's.
 * @returns the command's exit code as a shell gives it
 * @throws NOT_FOUND when the lab has no such station
 */
export function labExec(lab: LabLayout, station: string, command: readonly string[]): Promise<number> {
  const name = station.startsWith(lab.prefix) ? station.slice(lab.prefix.length) : station;
  const other = name === CLIENT || name === SWITCH;
  const node = other ? nodeLayout(lab, 1) : labNode(lab, name);
  const file = namespaceFile(lab, other ? name : node.name);
  if (!statSync(file, { throwIfNoEntry: false })) {
    throw notFound(`there is no ${titleOf(lab)}`, {
      value: station,
      hint: `"${commandOf(lab, 'up', '--nodes 3')}" makes one.`,
    });
  }
  const child = spawn('nsenter', [`--net=${file}`, '--', ...command], {
    stdio: 'inherit',
    env: { ...process.env, TSSWARM_LAB: lab.name, TSSWARM_HOST: node.host },
  });
  // The terminal sends these to the command too: it decides what they mean.
  const leaveIt = () => undefined;
  const forwarded: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];
  for (const signal of forwarded) process.on(signal, leaveIt);
  return new Promise<number>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? failedPrecondition('nsenter is not installed', { hint: 'apt-get install util-linux' })
          : error,
      ),
    );
    child.once('close', (code, signal) => resolve(code ?? (signal ? SIGNALED + constants.signals[signal] : NOT_FOUND)));
  }).finally(() => {
    for (const signal of forwarded) process.off(signal, leaveIt);
  });
}
