import { execFileSync } from 'node:child_process';
import { type Clock, systemClock } from '../lib/clock.js';

/** The terminal that a person types into. */
export interface Terminal {
  /** Of its window; undefined when no output goes to it. */
  size(): { readonly rows: number; readonly columns: number } | undefined;
  /** Raw: each key is input as it is, none is a signal or an editing key, and nothing is echoed. */
  setRaw(raw: boolean): void;
  /** Calls back when the window's size has changed, until the returned function is called. */
  onResize(callback: () => void): () => void;
}

/** What a command reads from and writes to: the process, or a test's buffers. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** The terminal that standard input is; undefined when it is none. */
  readonly terminal: Terminal | undefined;
  /** Width of the terminal that standard output is; undefined when it is none. */
  readonly columns: number | undefined;
  readonly clock: Clock;
  out(text: string | Uint8Array): void;
  err(text: string | Uint8Array): void;
  /** Aborted by Ctrl-C. Until it is asked for, Ctrl-C ends the process as usual. */
  interrupted(): AbortSignal;
  /** Catches these signals of the process until the returned function is called. */
  onSignals(names: readonly NodeJS.Signals[], handler: (name: NodeJS.Signals) => void): () => void;
  /** Ends the process at once, as a signal that was caught would have. Its caller has put the terminal in order. */
  dieOf(name: NodeJS.Signals): void;
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
    terminal: processTerminal(),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    clock: systemClock,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    interrupted() {
      const controller = new AbortController();
      process.once('SIGINT', () => controller.abort());
      return controller.signal;
    },
    onSignals(names, handler) {
      for (const name of names) process.on(name, handler);
      return () => {
        for (const name of names) process.off(name, handler);
      };
    },
    dieOf(name) {
      // By the signal itself: at its exit Node puts terminals back, and crashes when one has been closed.
      process.removeAllListeners(name);
      process.kill(process.pid, name);
    },
  };
}

function processTerminal(): Terminal | undefined {
  const { stdin } = process;
  if (!stdin.isTTY) return undefined;
  const output = [process.stdout, process.stderr].find((stream) => stream.isTTY);
  return {
    size: () => output && { rows: output.rows, columns: output.columns },
    setRaw(raw) {
      stdin.setRawMode(raw);
      // Node leaves new lines being made into two characters, which moves the cursor of full-screen programs.
      if (raw) execFileSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
    },
    onResize(callback) {
      output?.on('resize', callback);
      return () => output?.off('resize', callback);
    },
  };
}
