import { createServer, type Server, type Socket } from 'node:net';
import { duplicate } from '../kernel/syscalls.js';
import { FrameReader, frame } from './frames.js';

/** Milliseconds without a byte after which a connection is closed (RFC 7766, 6.2.3). */
const IDLE = 10_000;
/** Of one sandbox at a time. */
const MAX_CONNECTIONS = 128;
/** Bytes of answers that a client leaves unread before it is dropped. */
const MAX_UNREAD = 1 << 20;

/** @param message has the query at its beginning, and room for the longest answer; its bytes are the callee's until it returns */
export type TcpHandler = (message: Buffer, length: number, reply: (answer: Uint8Array) => void) => void;

/** One for all connections: a query is looked at, and answered or copied, before the next one comes. */
const message = Buffer.alloc(0xffff);

/** Answers on a listening socket, of which it takes a duplicate: the caller's stays open when this is closed. */
export class TcpServer {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  constructor(fd: number, handler: TcpHandler) {
    this.#server = createServer((socket) => this.#serve(socket, handler));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.listen({ fd: duplicate(fd) });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#connections) socket.destroy();
  }

  #serve(socket: Socket, handler: TcpHandler): void {
    this.#connections.add(socket);
    const reply = (answer: Uint8Array) => {
      if (socket.writableLength > MAX_UNREAD) socket.destroy();
      if (socket.writable) socket.write(frame(answer));
    };
    const frames = new FrameReader((query) => {
      query.copy(message);
      handler(message, query.length, reply);
    });
    socket.on('data', (bytes) => frames.push(bytes));
    socket.setTimeout(IDLE, () => socket.destroy());
    // A client that goes away is no event; its connection's close follows.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
  }
}
