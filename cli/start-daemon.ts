import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { RUN_ROOT } from '../lab/layout.js';
import { failedPrecondition, permissionDenied, unavailable } from '../lib/errors.js';
import { packageRoot } from '../lib/package.js';
import { findDaemon, isListening, parseHost, socketIn } from './host.js';
import type { Io } from './io.js';

const LOG_FILE = '/var/log/tsswarmd.log';
const START_DEADLINE_MS = 20_000;
const UNIT_FOLDERS = ['/etc/systemd/system', '/lib/systemd/system', '/usr/lib/systemd/system'];

/** How a daemon that was started here can be followed, and whether it has ended already. */
interface Started {
  readonly log: string;
  /** Words about its end; undefined while it runs. */
  ended(): string | undefined;
}

/**
 * Sees to it that the daemon of this machine (or the one asked for) runs: by systemd where the unit
 * is installed, else as a detached process. Daemons of the lab that TSSWARM_LAB names are the lab's to start.
 * @returns its socket
 * @throws PERMISSION_DENIED without root, UNAVAILABLE when it does not come up
 */
export async function ensureDaemon(io: Io, asked: string | undefined): Promise<string> {
  if (!asked && io.env.TSSWARM_LAB) return findDaemon(undefined, io.env.TSSWARM_LAB);
  const socket = asked ? parseHost(asked) : socketIn(RUN_ROOT);
  if (await isListening(socket)) return socket;
  if (process.getuid?.() !== 0)
    throw permissionDenied('only root can start tsswarmd', { hint: 'Run this command as root, for example by sudo.' });
  const started = socket === socketIn(RUN_ROOT) && hasSystemdUnit() ? startUnit() : startProcess(path.dirname(socket));
  io.err(`Starting tsswarmd, the daemon of this machine. Commands talk to it from now on; its log: ${started.log}\n`);
  const deadline = io.clock.monotonic() + START_DEADLINE_MS;
  while (!(await isListening(socket))) {
    const end = started.ended();
    if (end !== undefined) throw failedPrecondition(`tsswarmd did not start: ${end}`, { hint: `See ${started.log}.` });
    if (io.clock.monotonic() > deadline)
      throw unavailable(`tsswarmd does not listen on ${socket} after ${START_DEADLINE_MS / 1000} s`, {
        hint: `See ${started.log}.`,
      });
    await io.clock.sleep(50);
  }
  return socket;
}

function hasSystemdUnit(): boolean {
  return existsSync('/run/systemd/system') && UNIT_FOLDERS.some((folder) => existsSync(`${folder}/tsswarmd.service`));
}

function startUnit(): Started {
  let end: string | undefined;
  const child = spawn('systemctl', ['start', 'tsswarmd'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.on('data', (chunk) => {
    words += chunk;
  });
  child.once('error', (error) => {
    end = error.message;
  });
  child.once('exit', (code) => {
    if (code !== 0) end = words.trim() || `systemctl start tsswarmd exited with ${code}`;
  });
  return { log: 'journalctl -u tsswarmd', ended: () => end };
}

function startProcess(runRoot: string): Started {
  let end: string | undefined;
  mkdirSync(path.dirname(LOG_FILE), { recursive: true });
  const log = openSync(LOG_FILE, 'a', 0o640);
  const binary = path.join(packageRoot(), 'bin/tsswarmd');
  const flags = runRoot === RUN_ROOT ? [] : ['--run-root', runRoot];
  const child = spawn(binary, flags, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  child.once('error', (error) => {
    end = error.message;
  });
  child.once('exit', (code, signal) => {
    end = lastLine(LOG_FILE) || `it ended with ${signal ?? `exit code ${code}`}`;
  });
  child.unref();
  return { log: LOG_FILE, ended: () => end };
}

/** The last line of a log; of a line of JSON, its message. */
function lastLine(file: string): string {
  const line = readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? '';
  const message = /"msg":("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
  return message === undefined ? line : String(JSON.parse(message));
}
