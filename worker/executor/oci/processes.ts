import { closeSync } from 'node:fs';
import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { codeOf, failedPrecondition, invalidArgument, messageOf } from '../../../lib/errors.js';
import { isKernelError } from '../../../netlb/kernel/errors.js';
import type { ExecSettings } from '../interactive.js';
import { parseSignal } from '../signals.js';
import { startFailureCode } from '../start-failure.js';
import type { Container } from './container/container.js';
import { execProcess } from './container/exec-process.js';
import type { HostFacts } from './container/host-facts.js';
import { isAlive, type ProcessIdentity } from './container/process.js';
import { ContainerRoot } from './container/root.js';
import type { Spec, SpecProcess } from './container/spec-types.js';
import { execUnderMonitor } from './runtime/exec.js';
import type { Runtime } from './runtime/runtime.js';
import { MonitoredStreams } from './runtime/streams.js';

/**
 * Streams of a container's first process: of this run, or the next when it does not run. The caller has seen to it
 * that no start is under way.
 * @throws FAILED_PRECONDITION when what monitored it is gone
 */
export function attach(container: Container, input: boolean): MonitoredStreams {
  const { tty, openStdin, stdinOnce } = container.prepared;
  const streams = new MonitoredStreams({
    tty,
    input: input && openStdin,
    inputEndsWithUs: openStdin && stdinOnce && !tty,
    signal: (name) => container.signal(parseSignal(name)),
    released: () => container.streams.delete(streams),
  });
  if (container.running) connect(container, streams);
  container.streams.add(streams);
  return streams;
}

export interface ExecContext {
  readonly runtime: Runtime;
  readonly host: HostFacts;
  /** Where each process has a folder; see ContainerFolder for the container's own. */
  readonly folder: string;
}

/** @throws as InteractiveExecutor.exec */
export async function exec(
  container: Container,
  settings: ExecSettings,
  { runtime, host, folder }: ExecContext,
): Promise<MonitoredStreams> {
  const { id } = container;
  const root = runningRoot(container);
  try {
    if (settings.command.length === 0) throw invalidArgument('no command to run', { hint: 'Give one.' });
    const [spec, passwd, group] = await Promise.all([
      readFile(container.folder.config, 'utf8'),
      root.readText('/etc/passwd'),
      root.readText('/etc/group'),
    ]);
    let process: SpecProcess;
    try {
      process = execProcess((JSON.parse(spec) as Spec).process, settings, { passwd, group }, host);
      if (settings.dir) await checkFolder(root, settings.dir);
    } catch (error) {
      if (codeOf(error) === 'INVALID_ARGUMENT') return notRun(settings, messageOf(error));
      throw error;
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const bundle = await mkdtemp(`${folder}/`);
    return await execUnderMonitor({
      id,
      bundle,
      runtime,
      process,
      input: settings.stdin,
      timeoutMs: settings.timeoutMs,
    });
  } finally {
    root.close();
  }
}

/** Of a process that there cannot be in this container: its user or its folder is not there. */
function notRun({ tty, stdin }: ExecSettings, error: string): MonitoredStreams {
  const streams = new MonitoredStreams({ tty, input: stdin, inputEndsWithUs: false, signal: () => {} });
  streams.disconnected();
  streams.exited({ code: startFailureCode(error), error });
  return streams;
}

/** The first process of a container; undefined when it has not begun or has ended, whether that is known or not. */
export function aliveProcess({ running, process }: Container): ProcessIdentity | undefined {
  return running && process && isAlive(process) ? process : undefined;
}

/** @throws FAILED_PRECONDITION when the container does not run */
export function runningProcess(container: Container): ProcessIdentity {
  const process = aliveProcess(container);
  if (process) return process;
  throw failedPrecondition(`container ${container.id} is not running`, { value: container.id });
}

/** The files of a running container as its first process sees them. @throws FAILED_PRECONDITION when it does not run */
export function runningRoot(container: Container): ContainerRoot {
  const root = new ContainerRoot(`/proc/${runningProcess(container).pid}/root`);
  try {
    // It was still the same when its root had been opened: not a later process's of the same number, outside.
    runningProcess(container);
    return root;
  } catch (error) {
    root.close();
    throw error;
  }
}

async function checkFolder(root: ContainerRoot, dir: string): Promise<void> {
  try {
    if (!dir.startsWith('/')) throw invalidArgument(`"${dir}" is not an absolute path`, { value: dir });
    closeSync(await root.resolve(dir, { follow: true, folder: true }));
  } catch (error) {
    if (!isKernelError(error)) throw error;
    throw invalidArgument(`no such folder in the container: ${dir}`, { value: dir, cause: error });
  }
}

function connect(container: Container, streams: MonitoredStreams): void {
  try {
    streams.connect(container.folder.path);
  } catch (error) {
    if (!isKernelError(error, 'ENOENT', 'ECONNREFUSED')) throw error;
    if (container.process && isAlive(container.process)) {
      throw failedPrecondition(`nobody can attach to container ${container.id}: its monitor was killed`, {
        value: container.id,
        hint: 'Restart the container.',
        cause: error,
      });
    }
    // It has just ended.
    streams.disconnected();
  }
}
