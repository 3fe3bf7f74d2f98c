/** Notifications of many network namespaces at one socket (NETLINK_LISTEN_ALL_NSID). */
import koffi from 'koffi';
import { u32 } from './attributes.js';
import { KernelError } from './errors.js';
import { decodeMessages, type NetlinkMessage } from './messages.js';
import type { NetNamespace } from './namespace.js';
import { NETLINK_ROUTE, NetlinkSocket, SOL_NETLINK } from './netlink.js';
import { type RouteGroup, routeGroups } from './rtnetlink.js';
import { errorWords, receiveMany, setSocketOption } from './syscalls.js';

const NETLINK_LISTEN_ALL_NSID = 8;

/** Sizes of a 64-bit system: struct mmsghdr is a msghdr of 56 bytes and a length; struct cmsghdr with an int. */
const HEADER = 64;
const VECTOR = 16;
const CONTROL = 24;
const CONTROL_HEADER = 16;
/** What a message begins with tells what it is about. */
const SIZE = 512;
const AT_ONCE = 64;

export interface Notice {
  /** The number of the one that it comes from (RouteSocket.numberOf); undefined: the socket's own. */
  readonly namespace: number | undefined;
  /** Its payload may be cut off after some hundred bytes. */
  readonly message: NetlinkMessage;
}

/**
 * Hears what changes in a namespace and in all that have a number in it. Close it.
 * @throws KernelError EPERM without CAP_NET_BROADCAST
 */
export class NoticeSocket {
  readonly #socket: NetlinkSocket;
  readonly #address: bigint;
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;

  constructor(namespace: NetNamespace, groups: readonly RouteGroup[]) {
    this.#socket = new NetlinkSocket({
      namespace,
      protocol: NETLINK_ROUTE,
      groups: groups.map((group) => routeGroups[group]),
    });
    try {
      setSocketOption(this.#socket.fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, u32(1));
    } catch (error) {
      this.close();
      throw error;
    }
    const size = AT_ONCE * (HEADER + VECTOR + CONTROL + SIZE);
    const memory = koffi.alloc('uint8_t', size);
    const bytes = koffi.view(memory, size);
    this.#address = koffi.address(memory);
    this.#words = new Uint32Array(bytes, 0, size / 4);
    this.#bytes = Buffer.from(bytes);
    const pointers = new BigUint64Array(bytes, 0, size / 8);
    for (let i = 0; i < AT_ONCE; i++) {
      pointers[(i * HEADER + 16) / 8] = this.#address + BigInt(vectorOf(i));
      pointers[(i * HEADER + 24) / 8] = 1n;
      pointers[(i * HEADER + 32) / 8] = this.#address + BigInt(controlOf(i));
      pointers[vectorOf(i) / 8] = this.#address + BigInt(dataOf(i));
      pointers[(vectorOf(i) + 8) / 8] = BigInt(SIZE);
    }
  }

  get fd(): number {
    return this.#socket.fd;
  }

  /**
   * What is there, without waiting.
   * @param hear is called with each; it may not keep the message
   * @returns whether that is all: the kernel drops what finds no room, until all that is there was read
   * @throws KernelError
   */
  drain(hear: (notice: Notice) => void): boolean {
    const [EINTR, EAGAIN, ENOBUFS] = [4, 11, 105];
    for (let complete = true; ; ) {
      for (let i = 0; i < AT_ONCE; i++) this.#words[(i * HEADER + 40) / 4] = CONTROL;
      const count = receiveMany(this.fd, this.#address, AT_ONCE);
      for (let i = 0; i < count; i++) this.#tell(i, hear);
      if (count >= 0) continue;
      const errno = koffi.errno();
      if (errno === EAGAIN) return complete;
      if (errno === ENOBUFS) complete = false;
      else if (errno !== EINTR) throw new KernelError('receive notifications', { errno, words: errorWords(errno) });
    }
  }

  close(): void {
    this.#socket.close();
  }

  #tell(i: number, hear: (notice: Notice) => void): void {
    const length = Math.min(this.#words[(i * HEADER + 56) / 4] ?? 0, SIZE);
    const namespace = this.#namespaceOf(i);
    for (const message of decodeMessages(this.#bytes.subarray(dataOf(i), dataOf(i) + length), { cutOff: true }))
      hear({ namespace, message });
  }

  #namespaceOf(i: number): number | undefined {
    const control = controlOf(i);
    if ((this.#words[(i * HEADER + 40) / 4] ?? 0) < CONTROL_HEADER + 4) return undefined;
    const [level, type] = [this.#words[(control + 8) / 4], this.#words[(control + 12) / 4]];
    if (level !== SOL_NETLINK || type !== NETLINK_LISTEN_ALL_NSID) return undefined;
    return this.#bytes.readInt32LE(control + CONTROL_HEADER);
  }
}

const vectorOf = (i: number): number => AT_ONCE * HEADER + i * VECTOR;
const controlOf = (i: number): number => AT_ONCE * (HEADER + VECTOR) + i * CONTROL;
const dataOf = (i: number): number => AT_ONCE * (HEADER + VECTOR + CONTROL) + i * SIZE;
