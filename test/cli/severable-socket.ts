import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A unix socket in front of another one, whose connections can be cut as by the end of the process behind it. */
export class SeverableSocket {
  readonly #path: string;
  readonly #target: string;
  readonly #connections = new Set<Socket>();
  #server: Server | undefined;
  #dropping = 0;

  constructor(path: string, target: string) {
    this.#path = path;
    this.#target = target;
  }

  async open(): Promise<void> {
    this.#server = createServer((socket) => this.#connected(socket));
    this.#server.listen(this.#path);
    await once(this.#server, 'listening');
  }

  /** Cuts what is connected; others may connect. */
  sever(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  /** Cuts the next connections, as many as said, when something is asked on them. */
  dropNext(count: number): void {
    this.#dropping = count;
  }

  /** Cuts what is connected, and nobody listens any more. */
  async close(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    this.sever();
    await closed;
  }

  #connected(client: Socket): void {
    const server = connect(this.#target);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#connections.add(from);
      from.pipe(to);
      // An error is a connection's end like any other here.
      from.on('error', () => from.destroy());
      from.once('close', () => {
        this.#connections.delete(from);
        to.destroy();
      });
    }
    client.once('data', () => {
      if (this.#dropping === 0) return;
      this.#dropping--;
      client.destroy();
    });
  }
}
