import { closeSync, writeSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { systemClock } from '../../../../lib/clock.js';
import { parseSignal } from '../../signals.js';
import { startFailureCode } from '../../start-failure.js';
import { identify, killGroup, type ProcessIdentity, sendSignal } from '../container/process.js';
import type { SpecProcess } from '../container/spec-types.js';
import { Answers, commonArgs, streamArgs } from './conmon.js';
import { posixSpawn, reap } from './posix-spawn.js';
import { type Runtime, runtimeWords } from './runtime.js';
import { MonitoredStreams } from './streams.js';

export interface ExecOptions {
  /** Of the container. */
  readonly id: string;
  /** Folder of its own for the process's socket and fifos; goes with the process. */
  readonly bundle: string;
  readonly runtime: Runtime;
  readonly process: SpecProcess;
  readonly input: boolean;
  /** Undefined: it may run for ever. */
  readonly timeoutMs: number | undefined;
}

/**
 * Has a conmon of its own run another process in a container, which outlives us with it. conmon waits for a byte
 * before it does anything and, when its attach socket is there, which it tells, for another before it runs the
 * process: nothing of the output is missed. Then it tells the process's id, and at the end its exit code.
 */
export async function execUnderMonitor(options: ExecOptions): Promise<MonitoredStreams> {
  const { bundle, process, input, timeoutMs } = options;
  let target: ProcessIdentity | undefined;
  const streams = new MonitoredStreams({
    tty: process.terminal,
    input,
    inputEndsWithUs: input && !process.terminal,
    signal: (name) => {
      const number = parseSignal(name);
      if (target) sendSignal(target, number);
    },
  });
  let answers: Answers | undefined;
  try {
    await mkdir(bundle, { recursive: true, mode: 0o700 });
    await writeFile(join(bundle, 'process.json'), JSON.stringify(process), { mode: 0o600 });
    answers = await begin(options, streams);
    const { number, words } = await answers.next();
    if (number > 0) target = identify(number);
    else streams.disconnected();
    const cancel = killAfter(timeoutMs, target);
    void end(number, words, answers, streams).then(() => {
      cancel();
      return discard(bundle);
    });
  } catch (error) {
    answers?.close();
    streams.close();
    await discard(bundle);
    throw error;
  }
  return streams;
}

/** Starts conmon, and lets it run the process when the streams are connected. */
async function begin(options: ExecOptions, streams: MonitoredStreams): Promise<Answers> {
  const { pid, output, pipes } = posixSpawn(
    'conmon',
    execArgs(options),
    { PATH: process.env.PATH ?? '', _OCI_SYNCPIPE: '3', _OCI_STARTPIPE: '4', _OCI_ATTACHPIPE: '5' },
    ['read', 'write'],
  );
  const [go = 0, attached = 0] = pipes;
  const ready = new Socket({ fd: attached, readable: true, writable: false });
  const answers = new Answers(output);
  try {
    writeSync(go, '0');
    // Without it conmon has ended, and says why.
    if (!(await somethingFrom(ready))) await answers.next();
    streams.connect(options.bundle);
    writeSync(go, '0');
    return answers;
  } catch (error) {
    answers.close();
    throw error;
  } finally {
    closeSync(go);
    ready.destroy();
    await reap(pid, systemClock);
  }
}

function execArgs({ id, bundle, runtime, process, input, timeoutMs }: ExecOptions): string[] {
  return [
    ...commonArgs(id, runtime.command),
    ...['--exec', '--exec-attach', '--exec-process-spec', join(bundle, 'process.json')],
    ...['--bundle', bundle, '--container-pidfile', join(bundle, 'pid'), '--conmon-pidfile', join(bundle, 'conmon.pid')],
    ...['--log-path', 'none:'],
    // In whole seconds, and later than we do it: it is for when we are not there any more.
    ...(timeoutMs === undefined ? [] : ['--timeout', String(Math.ceil(timeoutMs / 1000) + 1)]),
    ...streamArgs({ tty: process.terminal, input, inputEnds: true }),
  ];
}

/** @returns calls it off */
function killAfter(timeoutMs: number | undefined, target: ProcessIdentity | undefined): () => void {
  if (timeoutMs === undefined || !target) return () => {};
  return systemClock.after(timeoutMs, () => killGroup(target));
}

/** What of it cannot be removed now goes with the container. */
async function discard(bundle: string): Promise<void> {
  await rm(bundle, { recursive: true, force: true }).catch(() => undefined);
}

/** False when it ends without. */
function somethingFrom(stream: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    stream.once('data', () => resolve(true));
    stream.once('close', () => resolve(false));
  });
}

async function end(first: number, words: string, answers: Answers, streams: MonitoredStreams): Promise<void> {
  try {
    if (first <= 0) {
      const error = runtimeWords(words);
      return streams.exited({ code: startFailureCode(error), error });
    }
    const { number } = await answers.next();
    streams.exited({ code: number, error: '' });
  } catch (error) {
    streams.lost(error);
  } finally {
    answers.close();
  }
}
