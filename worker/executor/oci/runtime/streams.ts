import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Deferred, deferred } from '../../../../lib/async.js';
import { errnoOf } from '../../../../lib/errors.js';
import type { ProcessStreams } from '../../interactive.js';
import { PacketSocket } from './packet-socket.js';

/** conmon's first byte of a packet of output. */
const STDERR = 3;
/** Less than conmon reads at a time: the rest of a larger packet would be lost. */
const INPUT_PACKET = 8 * 1024;
/** conmon refuses larger terminals. */
const MAX_SIZE = 1000;
const RESIZE = 1;

/** As in the runtime's specification: rows and columns. */
export interface TerminalSize {
  readonly height: number;
  readonly width: number;
}

type Exit = Awaited<ProcessStreams['exit']>;

export interface StreamsOptions {
  readonly tty: boolean;
  /** Whether the process has an input, and this one gives it. */
  readonly input: boolean;
  /** conmon ends the process's input as soon as one who is attached lets go, whether that one gave any or not. */
  readonly inputEndsWithUs: boolean;
  /** Sends a signal to the process. @throws INVALID_ARGUMENT */
  readonly signal: (name: string) => void;
  /** It was let go of. */
  readonly released?: () => void;
}

/**
 * A process's streams through its conmon, by the protocol of its attach socket: a packet of output is one byte for
 * the stream and then the data, a packet of input just data. A terminal's size goes through the fifo `ctl`.
 * They may be made before there is a monitor, and get it by `connect`.
 */
export class MonitoredStreams implements ProcessStreams {
  readonly tty: boolean;
  readonly output: ProcessStreams['output'];
  readonly #options: StreamsOptions;
  readonly #socket: Deferred<PacketSocket | undefined> = deferred();
  readonly #exit: Deferred<Exit> = deferred();
  #connected: PacketSocket | undefined;
  #folder: string | undefined;
  #size: TerminalSize | undefined;
  #closed = false;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.tty = options.tty;
    this.output = this.#packets();
    // Whoever is not interested in it does not have to wait for it.
    this.#exit.promise.catch(() => undefined);
  }

  get exit(): Promise<Exit> {
    return this.#exit.promise;
  }

  /** Where the process's monitor is: its bundle. @throws KernelError when nobody listens there */
  connect(folder: string): void {
    if (this.#closed) return;
    this.#connected = new PacketSocket(folder, 'attach');
    this.#folder = folder;
    this.#socket.resolve(this.#connected);
    this.#applySize();
  }

  /** There is no output, or no more. */
  disconnected(): void {
    this.#socket.resolve(undefined);
  }

  exited(exit: Exit): void {
    this.#exit.resolve(exit);
  }

  /** Its exit will never be known. */
  lost(error: unknown): void {
    this.disconnected();
    this.#exit.reject(error);
  }

  async write(data: Uint8Array): Promise<void> {
    if (!this.#options.input) return;
    const socket = await this.#socket.promise;
    for (let start = 0; start < data.length; start += INPUT_PACKET) {
      if (!(await socket?.send(data.subarray(start, start + INPUT_PACKET)))) return;
    }
  }

  async closeInput(): Promise<void> {
    const { input, tty, inputEndsWithUs } = this.#options;
    if (input && !tty && inputEndsWithUs) (await this.#socket.promise)?.end();
  }

  async resize(rows: number, columns: number): Promise<void> {
    if (!this.tty || rows < 1 || columns < 1) return;
    this.#size = { height: Math.min(rows, MAX_SIZE), width: Math.min(columns, MAX_SIZE) };
    this.#applySize();
  }

  /** The size that was asked for before there was a terminal: whoever takes it sees to it. */
  takeSize(): TerminalSize | undefined {
    const size = this.#size;
    this.#size = undefined;
    return size;
  }

  async signal(name: string): Promise<void> {
    this.#options.signal(name);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.released?.();
    this.#socket.resolve(undefined);
    if (this.#options.inputEndsWithUs && !this.#options.input) this.#connected?.abandon();
    else this.#connected?.close();
  }

  async *#packets(): AsyncGenerator<{ stream: 'stdout' | 'stderr'; data: Uint8Array }> {
    const socket = await this.#socket.promise;
    if (!socket) return;
    for await (const packet of socket.packets()) {
      yield { stream: packet[0] === STDERR ? 'stderr' : 'stdout', data: packet.subarray(1) };
    }
    if (!this.#closed) socket.close();
  }

  #applySize(): void {
    if (!this.#size || this.#folder === undefined) return;
    const { height, width } = this.#size;
    try {
      const fifo = openSync(join(this.#folder, 'ctl'), constants.O_WRONLY | constants.O_NONBLOCK);
      try {
        writeSync(fifo, `${RESIZE} ${height} ${width}\n`);
      } finally {
        closeSync(fifo);
      }
    } catch (error) {
      // Nobody reads it any more: the process has ended.
      if (!['ENOENT', 'ENXIO', 'EPIPE'].includes(errnoOf(error) ?? '')) throw error;
    }
  }
}
