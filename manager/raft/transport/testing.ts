import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished, vi } from 'vitest';
import { systemClock } from '../../../lib/clock.js';
import { silentLogger } from '../../../lib/log.js';
import { RaftTransportService } from '../../../proto/gen/raft-transport.js';
import { RpcServer } from '../../../proto/rpc/server.js';
import { type Message, MsgType, message, type NodeId } from '../core/types.js';
import { RaftTransport, type TransportOptions } from './transport.js';

export const managerSecret = new Uint8Array(32).fill(7);

type Changes = Partial<Omit<TransportOptions, 'self' | 'credential'>> & {
  readonly group?: string;
  readonly managerSecret?: Uint8Array;
  /** The port to listen on; a free one when left out. */
  readonly port?: number;
};

/** A transport with a server of its own on 127.0.0.1, that writes down what it is called back with. */
export class TestManager {
  readonly received: Message[] = [];
  readonly unreachable: NodeId[] = [];
  readonly lost: { readonly peer: NodeId; readonly refused: boolean }[] = [];
  readonly learned: { readonly peer: NodeId; readonly address: string }[] = [];
  readonly twins: unknown[] = [];
  readonly transport: RaftTransport;
  readonly raftId: NodeId;
  readonly address: string;
  readonly #server: RpcServer;

  private constructor(raftId: NodeId, address: string, server: RpcServer, changes: Changes) {
    this.raftId = raftId;
    this.address = address;
    this.#server = server;
    const nodeId = `node${raftId}`;
    this.transport = new RaftTransport({
      self: { raftId, nodeId, group: changes.group ?? 'swarm', address },
      credential: {
        nodeId,
        secret: new Uint8Array(32).fill(raftId),
        managerSecret: changes.managerSecret ?? managerSecret,
      },
      log: silentLogger,
      clock: systemClock,
      onMessages: (messages) => this.received.push(...messages),
      onSnapshot: () => Promise.reject(new Error('no snapshot is expected')),
      onUnreachable: (peer) => this.unreachable.push(peer),
      onConnectionLost: (peer, refused) => this.lost.push({ peer, refused }),
      onPeerAddress: (peer, address) => this.learned.push({ peer, address }),
      onTwin: (error) => this.twins.push(error),
      ...changes,
    });
    server.add(RaftTransportService, this.transport.handlers);
  }

  static async start(raftId: NodeId, changes: Changes = {}): Promise<TestManager> {
    const server = new RpcServer(silentLogger);
    const port = await server.listen(`127.0.0.1:${changes.port ?? 0}`);
    const manager = new TestManager(raftId, `127.0.0.1:${port}`, server, changes);
    onTestFinished(() => manager.stop());
    return manager;
  }

  get port(): number {
    return Number(this.address.split(':')[1]);
  }

  stop(): void {
    this.transport.stop();
    this.#server.close();
  }

  knows(...others: readonly TestManager[]): void {
    this.transport.setPeers(new Map(others.map(({ raftId, address }) => [raftId, address])));
  }

  connectedTo(peer: NodeId): Promise<void> {
    return until(() => this.transport.peers.get(peer)?.connected === true);
  }
}

/** Waits for what must come to pass within a few seconds. */
export function until(condition: () => boolean): Promise<void> {
  const check = () => {
    if (!condition()) throw new Error(`not so: ${condition}`);
  };
  return vi.waitFor(check, { timeout: 10_000, interval: 5 });
}

export function app(to: NodeId, index: number, data = new Uint8Array(0)): Message {
  return message({ type: MsgType.MsgApp, to, from: 1, term: 1, index, entries: [{ term: 1, index, type: 0, data }] });
}

/** A way to a port of this machine through which nothing comes while it is frozen, though it stays open. */
export async function relay(port: number): Promise<{ address: string; freeze(): void; thaw(): void }> {
  const sockets = new Set<Socket>();
  let frozen = false;
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (data) => to.write(data));
      from.on('close', () => to.destroy());
      from.on('error', () => to.destroy());
      if (frozen) from.pause();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const each = (freeze: boolean) => {
    frozen = freeze;
    for (const socket of sockets) freeze ? socket.pause() : socket.resume();
  };
  const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  return { address, freeze: () => each(true), thaw: () => each(false) };
}
