import { spawn } from 'node:child_process';
import { failedPrecondition, internal } from '../lib/errors.js';

export interface CommandOptions {
  /** Given on standard input. */
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/**
 * Runs a tool and returns its standard output.
 * @throws FAILED_PRECONDITION when it is not installed
 * @throws INTERNAL with the tool's own words when it exits with another code than 0
 */
export function run(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'pipe', ...(options.signal && { signal: options.signal }) });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? failedPrecondition(`${command} is not installed`, {
              value: command,
              hint: 'scripts/setup.sh installs what the lab needs.',
            })
          : error,
      ),
    );
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(out).toString());
      const words = Buffer.concat(err).toString().trim();
      reject(internal(`${command} ${args.join(' ')}: ${words || `ended with ${signal ?? code}`}`));
    });
    // A tool that exits before it has read all gives EPIPE here; its exit code tells what was wrong.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}
