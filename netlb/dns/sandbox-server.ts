import { DatagramBatch } from '../kernel/datagrams.js';
import { isKernelError } from '../kernel/errors.js';
import { NetNamespace } from '../kernel/namespace.js';
import { type ReadWatch, watchReadable } from '../kernel/readable.js';
import { sendTo } from '../kernel/syscalls.js';
import type { SandboxResolver } from '../state.js';
import type { Forwarder, Upstream } from './forwarder.js';
import { type Query, rcodes } from './query.js';
import { type Transport, writeRefusal } from './reply.js';
import { respond } from './responder.js';
import { type NodeServers, ServerOrder } from './servers.js';
import { TcpServer } from './tcp-server.js';
import type { ZoneIndex } from './zone-index.js';

/** Datagrams of one sandbox before the others have their turn. */
const BATCH = 64;
/** The longest answer by UDP, whatever a client says that it takes. */
const LONGEST_DATAGRAM = 4096;

/** What all sandboxes' servers share. */
export interface Shared {
  readonly batch: DatagramBatch;
  readonly forwarder: Forwarder;
  readonly nodeServers: NodeServers;
  readonly nodeOrder: ServerOrder;
}

export const newBatch = (): DatagramBatch => new DatagramBatch(BATCH, LONGEST_DATAGRAM);

/** Sockets of a sandbox, made and closed by others. */
export interface SandboxSockets {
  readonly udp: number;
  readonly tcp: number;
  /** File of its namespace. */
  readonly namespace: string;
}

/** Answers the queries of one sandbox. */
export class SandboxServer {
  readonly #sockets: SandboxSockets;
  readonly #shared: Shared;
  readonly #watch: ReadWatch;
  readonly #tcp: TcpServer;
  readonly #order = new ServerOrder();
  #namespace: NetNamespace | undefined;
  #resolver: SandboxResolver;
  #zones: readonly ZoneIndex[] = [];

  /** @throws KernelError when its namespace cannot be opened */
  constructor(sockets: SandboxSockets, resolver: SandboxResolver, shared: Shared) {
    this.#sockets = sockets;
    this.#shared = shared;
    this.#resolver = resolver;
    this.configure(resolver);
    this.#tcp = new TcpServer(sockets.tcp, (message, length, reply) => this.#handleTcp(message, length, reply));
    this.#watch = watchReadable(sockets.udp, () => this.#readDatagrams());
  }

  get zoneIds(): readonly string[] {
    return this.#resolver.zones;
  }

  /** @param zones those of zoneIds that there are, in that order */
  set zones(zones: readonly ZoneIndex[]) {
    this.#zones = zones;
  }

  /** @throws KernelError when its namespace cannot be opened */
  configure(resolver: SandboxResolver): void {
    if (resolver.nameservers.length > 0) this.#namespace ??= NetNamespace.open(this.#sockets.namespace);
    this.#resolver = resolver;
  }

  /** Afterwards nothing of it uses the sockets or holds the namespace. */
  close(): void {
    this.#watch.close();
    this.#tcp.close();
    this.#shared.forwarder.cancel(this);
    this.#namespace?.close();
  }

  #readDatagrams(): void {
    const { batch } = this.#shared;
    const { udp } = this.#sockets;
    const count = batch.receive(udp);
    for (let i = 0; i < count; i++) {
      const message = batch.buffer(i);
      const length = this.#respond(message, batch.length(i), 'udp', () => {
        const client = Buffer.from(batch.source(i));
        return (answer) => sendDatagram(udp, answer, client);
      });
      if (length > 0) batch.reply(i, length);
    }
    batch.send(udp);
  }

  #handleTcp(message: Buffer, length: number, reply: (answer: Uint8Array) => void): void {
    const answered = this.#respond(message, length, 'tcp', () => reply);
    if (answered > 0) reply(message.subarray(0, answered));
  }

  /**
   * @param later makes the way back for an answer that takes time
   * @returns length of the answer in the message's place; 0: none now
   */
  #respond(message: Buffer, length: number, transport: Transport, later: () => Reply): number {
    const outcome = respond(message, length, transport, this.#zones, this.#resolver.forward);
    if (outcome === undefined) return 0;
    if (typeof outcome === 'number') return outcome;
    return this.#forward(message, length, transport, outcome, later);
  }

  #forward(message: Buffer, length: number, transport: Transport, query: Query, later: () => Reply): number {
    const copy = Buffer.from(message.subarray(0, length));
    const reply = later();
    const failure = (place: Buffer) => writeRefusal(place, rcodes.SERVFAIL, query.end, query.edns);
    const onEnd = (answer: Buffer | undefined) =>
      reply(answer ? withId(answer, copy) : copy.subarray(0, failure(copy)));
    const forwarded = { message: copy, questionEnd: query.end, transport, onEnd };
    // Nobody waits for an answer that cannot come.
    return this.#shared.forwarder.forward(this, forwarded, this.#upstream()) ? 0 : failure(message);
  }

  #upstream(): Upstream {
    const { nodeServers, nodeOrder } = this.#shared;
    const { nameservers } = this.#resolver;
    return nameservers.length > 0 && this.#namespace
      ? { namespace: this.#namespace, servers: nameservers, order: this.#order }
      : { namespace: NetNamespace.self(), servers: nodeServers.list(performance.now()), order: nodeOrder };
  }
}

type Reply = (answer: Uint8Array) => void;

function withId(answer: Buffer, query: Buffer): Buffer {
  answer.writeUInt16BE(query.readUInt16BE(0), 0);
  return answer;
}

/** An answer that cannot be sent is lost, as datagrams are. */
function sendDatagram(fd: number, answer: Uint8Array, client: Buffer): void {
  try {
    sendTo(fd, Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength), client);
  } catch (error) {
    if (!isKernelError(error)) throw error;
  }
}
