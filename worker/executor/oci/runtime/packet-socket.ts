import { closeSync, constants, openSync } from 'node:fs';
import koffi from 'koffi';
import { yieldToLoop } from '../../../../lib/async.js';
import { isKernelError } from '../../../../netlb/kernel/errors.js';
import { check, close, receive, socket } from '../../../../netlb/kernel/syscalls.js';

/** Values of linux/socket.h, bits/socket.h and asm-generic/fcntl.h. */
const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const O_PATH = 0o10000000;

/** sizeof(struct sockaddr_un.sun_path) of unix(7). */
const PATH_MAX = 108;
/** Packets read without a turn of the event loop. */
const BURST = 16;
/** More than any packet that conmon sends. */
const LARGEST = 64 * 1024 + 1;

/** Every receive is synchronous and copies what it keeps, so one buffer serves all sockets. */
const packet = Buffer.alloc(LARGEST);

function bindLibc() {
  const libc = koffi.load(null);
  return {
    connect: libc.func('int connect(int fd, const uint8_t *address, uint32_t length)'),
    send: libc.func('int64_t send(int fd, const uint8_t *data, size_t length, int flags)'),
    shutdown: libc.func('int shutdown(int fd, int how)'),
  };
}

let bound: ReturnType<typeof bindLibc> | undefined;

function libc(): ReturnType<typeof bindLibc> {
  bound ??= bindLibc();
  return bound;
}

/** A connected unix socket of type SOCK_SEQPACKET, which node does not have. Never blocks. */
export class PacketSocket {
  readonly #fd: number;
  readonly #poll: ReturnType<typeof koffi.node.poll>;
  #readable: (() => void) | undefined;
  #writable: (() => void) | undefined;
  #open = true;
  #abandoned = false;

  /**
   * @param folder where the socket is; its path may be of any length
   * @throws KernelError ECONNREFUSED, ENOENT: nobody listens; EAGAIN: too many wait to be accepted
   */
  constructor(folder: string, name: string) {
    this.#fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    try {
      connectIn(this.#fd, folder, name);
    } catch (error) {
      close(this.#fd);
      throw error;
    }
    this.#poll = koffi.node.poll(this.#fd, {}, () => undefined);
    this.#poll.stop();
  }

  /** Packets as they come, read as they are taken; ends with the peer's end, `close` or `abandon`. One reader only. */
  async *packets(): AsyncGenerator<Buffer> {
    for (let count = 1; this.#open && !this.#abandoned; count++) {
      const data = this.#receive();
      if (data === 'later') await this.#untilReadable();
      else if (data.length === 0) return;
      else yield data;
      if (count % BURST === 0) await yieldToLoop();
    }
  }

  /** Keeps the connection until the peer's end, but reads for nobody. */
  abandon(): void {
    if (!this.#open || this.#abandoned) return;
    this.#abandoned = true;
    this.#readable?.();
    void this.#discard();
  }

  async #discard(): Promise<void> {
    for (let count = 1; this.#open; count++) {
      const data = this.#receive();
      if (data === 'later') await this.#untilReadable();
      else if (data.length === 0) this.close();
      if (count % BURST === 0) await yieldToLoop();
    }
  }

  /** Resolves when the kernel has taken it; false when the peer takes no more. */
  async send(data: Uint8Array): Promise<boolean> {
    while (this.#open) {
      try {
        check(libc().send(this.#fd, data, data.length, MSG_NOSIGNAL), 'send to monitor');
        return true;
      } catch (error) {
        if (isKernelError(error, 'EPIPE', 'ECONNRESET', 'ENOTCONN')) return false;
        if (!isKernelError(error, 'EAGAIN')) throw error;
      }
      await this.#untilWritable();
    }
    return false;
  }

  /** The peer reads the end; what it sends still comes. */
  end(): void {
    if (this.#open) libc().shutdown(this.#fd, SHUT_WR);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#poll.stop();
    this.#poll.close();
    close(this.#fd);
    this.#readable?.();
    this.#writable?.();
  }

  #receive(): Buffer | 'later' {
    try {
      return Buffer.from(packet.subarray(0, receive(this.#fd, packet, 0)));
    } catch (error) {
      if (isKernelError(error, 'EAGAIN')) return 'later';
      if (isKernelError(error, 'ECONNRESET')) return Buffer.alloc(0);
      throw error;
    }
  }

  async #untilReadable(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#readable = resolve;
      this.#watch();
    });
  }

  async #untilWritable(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#writable = resolve;
      this.#watch();
    });
  }

  /** Wakes whoever waits when there is something for one of them: both try again. */
  #watch(): void {
    if (!this.#open) return;
    const interest = { readable: this.#readable !== undefined, writable: this.#writable !== undefined };
    this.#poll.start(interest, () => {
      this.#poll.stop();
      const waiting = [this.#readable, this.#writable];
      this.#readable = undefined;
      this.#writable = undefined;
      for (const wake of waiting) wake?.();
    });
  }
}

/** Through the folder's descriptor: the path of a socket has no more than 108 bytes. */
function connectIn(fd: number, folder: string, name: string): void {
  const directory = openSync(folder, constants.O_DIRECTORY | O_PATH);
  try {
    const address = Buffer.alloc(2 + PATH_MAX);
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(`/proc/self/fd/${directory}/${name}`, 2, PATH_MAX - 1);
    check(libc().connect(fd, address, address.length), `connect to ${folder}/${name}`);
  } finally {
    closeSync(directory);
  }
}
