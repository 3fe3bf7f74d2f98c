/** One question to one server. */
import { randomInt } from 'node:crypto';
import { Socket } from 'node:net';
import { SwarmError } from '../../lib/errors.js';
import { isKernelError } from '../kernel/errors.js';
import { clientSocket } from '../kernel/inet.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { watchReadable } from '../kernel/readable.js';
import { close, receive, send } from '../kernel/syscalls.js';
import { FrameReader, frame } from './frames.js';
import { flags, HEADER, rcodes } from './query.js';
import type { Transport } from './reply.js';

const DNS_PORT = 53;

export interface Attempt {
  /** Whence it is asked. */
  readonly namespace: NetNamespace;
  readonly server: string;
  readonly transport: Transport;
  /** The client's message. Its id is not used: each attempt has one of its own. */
  readonly query: Buffer;
  /** Where the question ends in it. */
  readonly questionEnd: number;
  /** One of the two is called, once, on a later turn; none after the attempt was cancelled. */
  onAnswer(answer: Buffer): void;
  onFailure(): void;
}

/** @returns cancels it */
export function attempt(options: Attempt): () => void {
  const id = randomInt(0x1_0000);
  const query = Buffer.from(options.query);
  query.writeUInt16BE(id, 0);
  let fd: number;
  try {
    fd = clientSocket(options.namespace, options.transport, options.server, DNS_PORT);
  } catch (error) {
    // What is no address cannot be asked either.
    if (!isKernelError(error) && !(error instanceof SwarmError)) throw error;
    const failing = setImmediate(options.onFailure);
    return () => clearImmediate(failing);
  }
  return options.transport === 'udp' ? byUdp(fd, query, options) : byTcp(fd, query, options);
}

/** Receives are synchronous and copy what they keep, so one buffer serves all sockets. */
const datagram = Buffer.alloc(0xffff);

/** The socket is connected: what comes is from the server's address and port, and its refusals come too. */
function byUdp(fd: number, query: Buffer, { questionEnd, onAnswer, onFailure }: Attempt): () => void {
  let open = true;
  const end = () => {
    if (!open) return;
    open = false;
    watch.close();
    close(fd);
  };
  const fail = (error: unknown) => {
    if (!isKernelError(error)) throw error;
    if (isKernelError(error, 'EAGAIN')) return;
    end();
    onFailure();
  };
  const read = () => {
    try {
      while (open) {
        const answer = datagram.subarray(0, receive(fd, datagram, 0));
        if (!answers(answer, query, questionEnd)) continue;
        end();
        onAnswer(Buffer.from(answer));
      }
    } catch (error) {
      fail(error);
    }
  };
  const watch = watchReadable(fd, read);
  try {
    send(fd, query);
  } catch (error) {
    // EPERM of a firewall, ENETUNREACH, ENOBUFS: told later, as everything else is.
    const failing = setImmediate(() => fail(error));
    return () => {
      clearImmediate(failing);
      end();
    };
  }
  return end;
}

/** The socket may not be connected yet: node's stream waits until it can be written to. */
function byTcp(fd: number, query: Buffer, { questionEnd, onAnswer, onFailure }: Attempt): () => void {
  const socket = new Socket({ fd, readable: true, writable: true });
  let open = true;
  const end = () => {
    open = false;
    socket.destroy();
  };
  const fail = () => {
    if (!open) return;
    end();
    onFailure();
  };
  const frames = new FrameReader((answer) => {
    if (!open || !answers(answer, query, questionEnd)) return;
    end();
    onAnswer(Buffer.from(answer));
  });
  socket.on('data', (bytes) => frames.push(bytes));
  socket.on('error', fail);
  socket.on('close', fail);
  socket.write(frame(query));
  return end;
}

/**
 * Whether a message answers a query: the id and the question are the same. Some servers leave the question out
 * when they answer by an error.
 */
export function answers(message: Buffer, query: Buffer, questionEnd: number): boolean {
  if (message.length < HEADER || message.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if (!(message.readUInt16BE(2) & flags.QR)) return false;
  const questions = message.readUInt16BE(4);
  if (questions === 0) return rcodeOf(message) !== rcodes.NOERROR && rcodeOf(message) !== rcodes.NXDOMAIN;
  if (questions !== 1 || message.length < questionEnd) return false;
  const question = (of: Buffer) => of.toString('latin1', HEADER, questionEnd).toLowerCase();
  return question(message) === question(query);
}

export const rcodeOf = (message: Buffer): number => message.readUInt16BE(2) & 0xf;
