import { type ChildProcess, spawn } from 'node:child_process';
import { errnoOf, failedPrecondition } from '../../../lib/errors.js';

/** The Debian package of each tool, for the hint when it is missing. */
const PACKAGES: Readonly<Record<string, string>> = {
  skopeo: 'skopeo',
  umoci: 'umoci',
  conmon: 'conmon',
  crun: 'crun',
  runc: 'runc',
  tar: 'tar',
  xz: 'xz-utils',
  zstd: 'zstd',
  bzip2: 'bzip2',
  gzip: 'gzip',
  unshare: 'util-linux',
  ps: 'procps',
};

/** Enough for an error's story; a tool that says more is cut from the front. */
const STDERR_LIMIT = 16 * 1024;
/** Characters of output, or of a line, that are held: what an archive says of itself may be of any length. */
const STDOUT_LIMIT = 64 << 20;

export interface ToolOptions {
  /** Aborting kills the tool. */
  readonly signal?: AbortSignal;
  /** Called with each line of standard output as it comes; it is not collected then. */
  readonly onLine?: (line: string) => void;
  /** A descriptor that takes standard output instead. */
  readonly stdout?: number;
}

/** A program ended with something else than exit code 0. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  /** What it wrote to standard error, or how it ended when it wrote nothing. */
  readonly words: string;

  constructor(program: string, words: string) {
    super(`${program}: ${words}`);
    this.words = words;
  }
}

/** FAILED_PRECONDITION that says which package has the program. */
export function missingTool(program: string) {
  const packaged = PACKAGES[program];
  return failedPrecondition(`${program} is not installed`, {
    value: program,
    hint: packaged ? `Install it with: apt-get install ${packaged}` : `Put ${program} on the PATH.`,
  });
}

/** The end of a child; `words` are what is left of its standard error. @throws when it cannot be spawned */
function ended(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

/**
 * Runs a program to its end and gives its standard output.
 * @throws ToolError with its words or when it writes too much, FAILED_PRECONDITION when it is not installed, the signal's reason when aborted
 */
export async function runTool(program: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, { stdio: ['ignore', options.stdout ?? 'pipe', 'pipe'], cwd: '/' });
  let stdout = '';
  let stderr = '';
  let tooMuch = false;
  const kill = () => child.kill('SIGKILL');
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    if (tooMuch) return;
    const lines = options.onLine ? text.split('\n') : [text];
    stdout += lines.shift() ?? '';
    for (const line of lines) {
      options.onLine?.(stdout);
      stdout = line;
    }
    if (stdout.length <= STDOUT_LIMIT) return;
    tooMuch = true;
    stdout = '';
    kill();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_LIMIT);
  });
  options.signal?.addEventListener('abort', kill, { once: true });
  try {
    const { code, signal } = await ended(child);
    options.signal?.throwIfAborted();
    if (tooMuch) throw new ToolError(program, `it wrote more than ${STDOUT_LIMIT >> 20} MiB`);
    if (code !== 0) {
      throw new ToolError(program, stderr.trim() || (signal ? `killed by ${signal}` : `exit code ${code}`));
    }
    if (options.onLine && stdout !== '') options.onLine(stdout);
    return stdout;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw missingTool(program);
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', kill);
  }
}
