import { u32 } from './attributes.js';
import { isKernelError, KernelError } from './errors.js';
import {
  type Acknowledgement,
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './messages.js';
import type { NetNamespace } from './namespace.js';
import { watchReadable } from './readable.js';
import { bind, close, errorWords, receive, sendTo, setSocketOption, socket } from './syscalls.js';

/** Values of linux/netlink.h. */
export const NETLINK_ROUTE = 0;
export const NETLINK_XFRM = 6;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
export const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;

const RECEIVE_BUFFER = 4 << 20;
/** Less than what a socket has from the start (net.core.wmem_default). */
const SEND_BUFFER = 64 << 10;
const RECEIVE_TIMEOUT_SECONDS = 5;
/** Few enough that the answers fit the receive buffer even if every message fails. */
const MESSAGES_PER_SEND = 256;
const DUMP_ATTEMPTS = 10;

/** struct sockaddr_nl of the kernel; as our own address: let the kernel choose the port. */
const KERNEL = Buffer.alloc(12);
KERNEL.writeUInt16LE(AF_NETLINK, 0);

/** Every receive is synchronous and copies what it keeps, so one buffer serves all sockets. */
const datagram = Buffer.alloc(256 << 10);

/** What the kernel refused of a batch. */
export interface BatchFailure extends Acknowledgement {
  /** Which of the requests, from 0. */
  readonly index: number;
}

export interface NetlinkSocketOptions {
  readonly namespace: NetNamespace;
  readonly protocol: number;
  /** Multicast groups (RTNLGRP_*, NFNLGRP_*: numbers, not bits). */
  readonly groups?: readonly number[] | undefined;
}

/** A refusal as an error. */
export function kernelError(operation: string, { errno, detail }: Acknowledgement): KernelError {
  return new KernelError(operation, { errno, words: errorWords(errno), detail });
}

/**
 * A netlink socket in a network namespace, where it stays. All calls are synchronous: the kernel
 * answers within microseconds, and a missing answer ends after 5 seconds with EAGAIN. Close it: its
 * descriptor is not garbage collected, and it keeps the namespace alive.
 */
export class NetlinkSocket {
  readonly fd: number;
  #sequence = 0;
  #sendBuffer = SEND_BUFFER;
  #open = true;

  constructor({ namespace, protocol, groups = [] }: NetlinkSocketOptions) {
    this.fd = namespace.run(() => socket(AF_NETLINK, SOCK_RAW, protocol));
    try {
      this.#configure();
      bind(this.fd, KERNEL);
      // After bind, which sets the first 32 groups to those of its address: none.
      for (const group of groups) setSocketOption(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, u32(group));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #configure(): void {
    setSocketOption(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, u32(1));
    setSocketOption(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, u32(1));
    setSocketOption(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, u32(1));
    try {
      setSocketOption(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, u32(RECEIVE_BUFFER));
    } catch (error) {
      // Root of a user namespace may not force: as much as net.core.rmem_max allows will do.
      if (!isKernelError(error, 'EPERM')) throw error;
      setSocketOption(this.fd, SOL_SOCKET, SO_RCVBUF, u32(RECEIVE_BUFFER));
    }
    // struct timeval of a 64-bit system.
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(RECEIVE_TIMEOUT_SECONDS));
    setSocketOption(this.fd, SOL_SOCKET, SO_RCVTIMEO, timeout);
  }

  /**
   * Sends requests that change something, many in one system call. A failure does not stop the ones
   * after it. Only the last asks for an acknowledgement: the kernel answers in order, and reports a
   * failure whether asked or not.
   * @returns the refused ones
   * @throws KernelError when the kernel cannot be talked to: EAGAIN no answer, ENOBUFS answers lost
   */
  batch(requests: readonly NetlinkRequest[]): BatchFailure[] {
    const failures: BatchFailure[] = [];
    for (let start = 0; start < requests.length; start += MESSAGES_PER_SEND) {
      const first = this.#sequence + 1;
      const part = requests.slice(start, start + MESSAGES_PER_SEND);
      const last = this.#send(
        part.map((request, i) => (i === part.length - 1 ? { ...request, flags: request.flags | NLM_F_ACK } : request)),
      );
      for (let answered = false; !answered; ) {
        for (const message of this.#receive()) {
          if (message.type !== NLMSG_ERROR || message.sequence < first || message.sequence > last) continue;
          const acknowledgement = decodeAcknowledgement(message);
          if (acknowledgement.errno !== 0)
            failures.push({ index: start + message.sequence - first, ...acknowledgement });
          if (message.sequence === last) answered = true;
        }
      }
    }
    return failures;
  }

  /**
   * Sends requests of which the kernel does all or none, between two messages that hold them together (nfnetlink's
   * batches), in one datagram. The last of them asks for an acknowledgement, for not every kernel gives one for the end.
   * @returns the refused ones, in order; index -1 when it is not known which it is
   * @throws KernelError when the kernel cannot be talked to; ENOBUFS, more were refused than there is room for
   */
  transaction(begin: NetlinkRequest, requests: readonly NetlinkRequest[], end: NetlinkRequest): BatchFailure[] {
    if (requests.length === 0) return [];
    const asked = requests.map((request, i) =>
      i === requests.length - 1 ? { ...request, flags: request.flags | NLM_F_ACK } : request,
    );
    const last = this.#send([begin, ...asked, end]) - 1;
    const first = last - requests.length;
    const failures: BatchFailure[] = [];
    for (;;) {
      for (const message of this.#receive()) {
        if (message.type !== NLMSG_ERROR || message.sequence < first || message.sequence > last) continue;
        const acknowledgement = decodeAcknowledgement(message);
        if (acknowledgement.errno !== 0) failures.push({ index: message.sequence - first - 1, ...acknowledgement });
        // A refusal of the beginning is one of all, and nothing need come after it.
        if (message.sequence === last || message.sequence === first) return failures;
      }
    }
  }

  /**
   * One request that changes something.
   * @param operation in words, for the error
   * @throws KernelError
   */
  execute(request: NetlinkRequest, operation: string): void {
    const [failure] = this.batch([request]);
    if (failure) throw kernelError(operation, failure);
  }

  /**
   * One request that one message answers.
   * @param operation in words, for the error
   * @throws KernelError
   */
  get(request: NetlinkRequest, operation: string): NetlinkMessage {
    const sequence = this.#send([request]);
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_ERROR) throw kernelError(operation, decodeAcknowledgement(message));
        return message;
      }
    }
  }

  /**
   * A request with NLM_F_DUMP. When the table changed while it was read (NLM_F_DUMP_INTR) the list may
   * have holes, so it is read again.
   * @param operation in words, for the error
   * @throws KernelError; EAGAIN when the table changed during every attempt
   */
  dump(request: NetlinkRequest, operation: string): NetlinkMessage[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const messages = this.#dumpOnce(request, operation);
      if (messages) return messages;
    }
    const EAGAIN = 11;
    throw kernelError(operation, { errno: EAGAIN, detail: 'the table kept changing while it was read' });
  }

  /**
   * A request with NLM_F_DUMP, a datagram at a time: for a table that is too long to be read at once. What changes
   * meanwhile may be missed, or seen twice. Nothing else may be asked of this socket before the end.
   * @param operation in words, for the error
   * @throws KernelError
   */
  *dumpParts(request: NetlinkRequest, operation: string): Generator<readonly NetlinkMessage[], void, void> {
    const sequence = this.#send([request]);
    for (;;) {
      const messages = this.#receive().filter((message) => message.sequence === sequence);
      const end = messages.find(({ type }) => type === NLMSG_DONE || type === NLMSG_ERROR);
      if (!end) {
        yield messages;
        continue;
      }
      const acknowledgement = decodeAcknowledgement(end);
      if (acknowledgement.errno !== 0) throw kernelError(operation, acknowledgement);
      yield messages.slice(0, messages.indexOf(end));
      return;
    }
  }

  /** @returns undefined when the table changed meanwhile */
  #dumpOnce(request: NetlinkRequest, operation: string): NetlinkMessage[] | undefined {
    const sequence = this.#send([request]);
    const messages: NetlinkMessage[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.flags & NLM_F_DUMP_INTR) interrupted = true;
        if (message.type === NLMSG_DONE || message.type === NLMSG_ERROR) {
          const acknowledgement = decodeAcknowledgement(message);
          if (acknowledgement.errno !== 0) throw kernelError(operation, acknowledgement);
          return interrupted ? undefined : messages;
        }
        messages.push(message);
      }
    }
  }

  /** Messages that are there already, without waiting: for a socket with groups. @throws KernelError ENOBUFS */
  drain(): NetlinkMessage[] {
    const messages: NetlinkMessage[] = [];
    try {
      for (;;) messages.push(...this.#receive(MSG_DONTWAIT));
    } catch (error) {
      if (!isKernelError(error, 'EAGAIN')) throw error;
      return messages;
    }
  }

  /** @returns the sequence number of the last request */
  #send(requests: readonly NetlinkRequest[]): number {
    const bytes = Buffer.concat(requests.map((request) => encodeMessage(request, ++this.#sequence)));
    if (bytes.length > this.#sendBuffer) this.#growSendBuffer(bytes.length);
    sendTo(this.fd, bytes, KERNEL);
    return this.#sequence;
  }

  /** The kernel takes a datagram that its send buffer holds, and doubles what it is asked for. */
  #growSendBuffer(size: number): void {
    try {
      setSocketOption(this.fd, SOL_SOCKET, SO_SNDBUFFORCE, u32(size));
    } catch (error) {
      // As with the receive buffer; what is larger than net.core.wmem_max allows is refused by EMSGSIZE.
      if (!isKernelError(error, 'EPERM')) throw error;
      setSocketOption(this.fd, SOL_SOCKET, SO_SNDBUF, u32(size));
    }
    this.#sendBuffer = size;
  }

  #receive(flags = 0): NetlinkMessage[] {
    const length = receive(this.fd, datagram, flags | MSG_TRUNC);
    const EMSGSIZE = 90;
    if (length > datagram.length)
      throw kernelError('receive from netlink socket', { errno: EMSGSIZE, detail: `datagram of ${length} bytes` });
    return decodeMessages(Buffer.from(datagram.subarray(0, length)));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    close(this.fd);
  }
}

/** What came of multicast groups; `overflow`: the kernel dropped some, so read the whole state again. */
export type Notification =
  | { readonly kind: 'messages'; readonly messages: readonly NetlinkMessage[] }
  | { readonly kind: 'overflow' };

export interface Subscription {
  close(): void;
}

/**
 * Calls back, on later turns of the event loop, with what the kernel says to multicast groups. Does not
 * keep the process alive by itself.
 */
export function subscribe(options: NetlinkSocketOptions, callback: (what: Notification) => void): Subscription {
  const listener = new NetlinkSocket(options);
  const watch = watchReadable(listener.fd, () => {
    const messages = drainAll(listener);
    if (messages === undefined) callback({ kind: 'overflow' });
    else if (messages.length > 0) callback({ kind: 'messages', messages });
  });
  return {
    close() {
      watch.close();
      listener.close();
    },
  };
}

/**
 * What is there. Undefined when the kernel has dropped some: it goes on to drop, without a word, until all that is
 * there is read.
 */
function drainAll(listener: NetlinkSocket): NetlinkMessage[] | undefined {
  for (let complete = true; ; complete = false) {
    try {
      const messages = listener.drain();
      return complete ? messages : undefined;
    } catch (error) {
      if (!isKernelError(error, 'ENOBUFS')) throw error;
    }
  }
}
