import { createServer, type Server, type Socket } from 'node:net';
import { unavailable } from '../../lib/errors.js';

/** Bytes that have come over one connection so far, those of HTTP/2's own frames included. It stands still when the connection is closed. */
export type Received = () => number;

/** The TCP connections of a server, which accepts them itself to know of each how much has come over it. */
export class Connections {
  readonly #accept: (socket: Socket) => void;
  readonly #servers: Server[] = [];
  readonly #open = new Map<string, Socket>();

  /** @param accept is given each connection, to speak HTTP/2 over it */
  constructor(accept: (socket: Socket) => void) {
    this.#accept = accept;
  }

  /**
   * @param address host:port
   * @returns the bound port
   * @throws UNAVAILABLE when the address cannot be bound
   */
  listen(address: string): Promise<number> {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    const server = createServer({ noDelay: true }, (socket) => this.#opened(socket));
    return new Promise((resolve, reject) => {
      server.once('error', (cause) =>
        reject(unavailable(`cannot listen on ${address}: ${cause.message}`, { value: address, cause })),
      );
      server.listen(Number(address.slice(colon + 1)), host, () => {
        this.#servers.push(server);
        const bound = server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : 0);
      });
    });
  }

  /** @param peer `address:port`, as gRPC names it; undefined when there is no such connection */
  received(peer: string): Received | undefined {
    const socket = this.#open.get(peer);
    return socket && (() => socket.bytesRead);
  }

  /** Takes no new connections. */
  close(): void {
    for (const server of this.#servers.splice(0)) server.close();
  }

  #opened(socket: Socket): void {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#open.set(peer, socket);
    socket.once('close', () => {
      if (this.#open.get(peer) === socket) this.#open.delete(peer);
    });
    this.#accept(socket);
  }
}
