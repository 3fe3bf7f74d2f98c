import { type Clock, systemClock } from '../lib/clock.js';

/** What a command reads from and writes to: the process, or a test's buffers. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Width of the terminal that standard output is; undefined when it is none. */
  readonly columns: number | undefined;
  readonly clock: Clock;
  out(text: string | Uint8Array): void;
  err(text: string | Uint8Array): void;
  /** Aborted by Ctrl-C. Until it is asked for, Ctrl-C ends the process as usual. */
  interrupted(): AbortSignal;
}

/** The process's own. A reader of our output that has gone (`| head`) ends us quietly. */
export function processIo(): Io {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  }
  return {
    env: process.env,
    stdin: process.stdin,
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    clock: systemClock,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    interrupted() {
      const controller = new AbortController();
      process.once('SIGINT', () => controller.abort());
      return controller.signal;
    },
  };
}
