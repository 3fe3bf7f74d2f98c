import { SwarmError } from '../../lib/errors.js';
import { Outbox } from '../../lib/outbox.js';
import type { AttachMessage, TerminalSize } from '../../proto/gen/containers.js';
import type { Io, Terminal } from '../io.js';
import { detachStep } from './detach-keys.js';

/** What is sent to a process, of `attach` and `exec` alike. */
export interface ProcessInput {
  readonly stdin?: Uint8Array;
  readonly stdinClosed?: boolean;
  readonly size?: TerminalSize;
  readonly signal?: string;
  readonly detached?: boolean;
}

export interface Interaction<Message> {
  readonly io: Io;
  /** The first message, which says which process. */
  readonly open: Message;
  readonly message: (input: ProcessInput) => Message;
  readonly call: (messages: AsyncIterable<Message>, options: { signal: AbortSignal }) => AsyncIterable<AttachMessage>;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly detachKeys: Uint8Array;
  /** Pass the signals that this process gets on; not with a terminal, where keys are input. */
  readonly proxySignals: boolean;
  /** Done when output is complete from here on, before any input is sent. */
  readonly onOpened?: () => Promise<void>;
}

/** How it ended; undefined for a process that went on when its caller let go of it, by keys or because it was detached. */
export type ProcessEnd = { readonly code: number; readonly error: string } | undefined;

/** Those that a caller may send, but for what a terminal makes of its own. */
const PROXIED: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGCONT',
  'SIGTSTP',
];
const DEADLY: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGQUIT', 'SIGTERM'];
/** Milliseconds that letting go may take. */
const DETACH_MS = 1_000;
/** So many of SIGINT and SIGTERM end the caller itself. */
const PATIENCE = 3;

/** The input device is to be a terminal when the process gets one and input for it. @throws FAILED_PRECONDITION */
export function checkTty(io: Io, wants: { readonly stdin: boolean; readonly tty: boolean }): void {
  if (wants.stdin && wants.tty && !io.terminal)
    throw new SwarmError('FAILED_PRECONDITION', 'the input device is not a TTY');
}

/** Connects our standard streams, terminal and signals to a process until it ends or is let go. */
export async function interact<Message>(wanted: Interaction<Message>): Promise<ProcessEnd> {
  const session = new Session(wanted);
  try {
    return await session.run();
  } finally {
    session.close();
  }
}

class Session<Message> {
  readonly #wanted: Interaction<Message>;
  readonly #outbox = new Outbox<Message>();
  readonly #letGo = new AbortController();
  readonly #undo: (() => void)[] = [];
  /** Signals of the time before the process runs; undefined since. */
  #held: NodeJS.Signals[] | undefined = [];
  /** What broke while input was read. */
  #failure: { readonly error: unknown } | undefined;

  constructor(wanted: Interaction<Message>) {
    this.#wanted = wanted;
  }

  async run(): Promise<ProcessEnd> {
    const { open, call, io, stdout, stderr } = this.#wanted;
    void this.#outbox.send(open);
    this.#watchSignals();
    for await (const message of call(this.#outbox, { signal: this.#letGo.signal })) {
      if (message.opened) await this.#opened();
      else if (message.stdout && stdout) io.out(message.stdout);
      else if (message.stderr && stderr) io.err(message.stderr);
      else if (message.exited) return message.exited;
    }
    if (this.#failure) throw this.#failure.error;
    return undefined;
  }

  close(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
    this.#letGo.abort();
    this.#outbox.end();
  }

  async #opened(): Promise<void> {
    const { io, tty, stdin, onOpened } = this.#wanted;
    const terminal = tty ? io.terminal : undefined;
    // Before the process runs: what it prints must find the terminal ready.
    if (terminal && stdin) this.#makeRaw(terminal);
    await onOpened?.();
    for (const signal of this.#held ?? []) void this.#send({ signal });
    this.#held = undefined;
    if (terminal) this.#followSize(terminal);
    if (stdin)
      this.#sendInput().catch((error: unknown) => {
        this.#failure = { error };
        this.#letGo.abort();
      });
  }

  #send(input: ProcessInput): Promise<boolean> {
    return this.#outbox.send(this.#wanted.message(input));
  }

  #makeRaw(terminal: Terminal): void {
    terminal.setRaw(true);
    this.#undo.push(() => terminal.setRaw(false));
  }

  #followSize(terminal: Terminal): void {
    const tell = () => {
      const size = terminal.size();
      if (size) void this.#send({ size });
    };
    this.#undo.push(terminal.onResize(tell));
    tell();
  }

  async #sendInput(): Promise<void> {
    const { io, tty, detachKeys } = this.#wanted;
    let state = 0;
    for await (const typed of io.stdin) {
      const step = detachStep(tty ? detachKeys : NO_KEYS, state, typed);
      state = step.state;
      if (step.forward.length > 0 && !(await this.#send({ stdin: step.forward }))) return;
      if (step.detached) return this.#detach();
    }
    await this.#send({ stdinClosed: true });
  }

  /** What was typed before is to arrive, unless the process does not take it. */
  #detach(): void {
    void this.#send({ detached: true });
    this.#outbox.end();
    this.#undo.push(this.#wanted.io.clock.after(DETACH_MS, () => this.#letGo.abort()));
  }

  #watchSignals(): void {
    const { io, tty, proxySignals } = this.#wanted;
    if (tty) {
      this.#undo.push(
        io.onSignals(DEADLY, (name) => {
          this.close();
          io.dieOf(name);
        }),
      );
    } else if (proxySignals) {
      let asked = 0;
      const handle = (name: NodeJS.Signals) => {
        if (name === 'SIGINT' || name === 'SIGTERM') asked++;
        if (asked >= PATIENCE) io.dieOf(name);
        else if (this.#held) this.#held.push(name);
        else void this.#send({ signal: name });
      };
      this.#undo.push(io.onSignals(PROXIED, handle));
    }
  }
}

const NO_KEYS = new Uint8Array();
