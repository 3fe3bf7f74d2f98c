import koffi from 'koffi';
import { receiveMany, sendMany } from './syscalls.js';

/** Sizes of a 64-bit system (bits/socket.h): struct mmsghdr is a msghdr of 56 bytes and a length. */
const HEADER = 64;
const VECTOR = 16;
const ADDRESS = 32;

/**
 * Receives and sends many datagrams with one system call each, in memory that is laid out once: under load a
 * system call is what a datagram costs most. Use is synchronous (receive, look, reply, send), so one serves
 * all sockets of a thread. It lives as long as its thread.
 */
export class DatagramBatch {
  readonly #count: number;
  readonly #size: number;
  readonly #address: bigint;
  readonly #words: Uint32Array;
  readonly #pointers: BigUint64Array;
  readonly #buffers: readonly Buffer[];
  readonly #sources: readonly Buffer[];
  readonly #bufferAddresses: readonly bigint[];
  readonly #sourceAddresses: readonly bigint[];
  /** Headers of datagrams to send come after those to receive. */
  readonly #sendHeaders: number;
  #queued = 0;

  /** @param size bytes of the longest datagram; what is more of one is cut off */
  constructor(count: number, size: number) {
    this.#count = count;
    this.#size = size;
    this.#sendHeaders = count * HEADER;
    const vectors = 2 * count * HEADER;
    const addresses = vectors + 2 * count * VECTOR;
    const data = addresses + count * ADDRESS;
    const memory = koffi.alloc('uint8_t', data + count * size);
    const bytes = koffi.view(memory, data + count * size);
    this.#address = koffi.address(memory);
    this.#words = new Uint32Array(bytes, 0, data / 4);
    this.#pointers = new BigUint64Array(bytes, 0, data / 8);
    const each = Array.from({ length: count }, (_, i) => i);
    this.#buffers = each.map((i) => Buffer.from(bytes, data + i * size, size));
    this.#sources = each.map((i) => Buffer.from(bytes, addresses + i * ADDRESS, ADDRESS));
    this.#bufferAddresses = each.map((i) => this.#address + BigInt(data + i * size));
    this.#sourceAddresses = each.map((i) => this.#address + BigInt(addresses + i * ADDRESS));
    for (let i = 0; i < 2 * count; i++) {
      const vector = vectors + i * VECTOR;
      this.#pointers[(i * HEADER + 16) / 8] = this.#address + BigInt(vector);
      this.#pointers[(i * HEADER + 24) / 8] = 1n;
    }
    for (const i of each) this.#describe(i, i, size, ADDRESS);
  }

  /** @returns how many have come; 0 when none is there */
  receive(fd: number): number {
    for (let i = 0; i < this.#count; i++) this.#words[(i * HEADER + 8) / 4] = ADDRESS;
    return Math.max(0, receiveMany(fd, this.#address, this.#count));
  }

  /** The buffer of the i-th, all of it: an answer may be longer than what has come. */
  buffer(i: number): Buffer {
    return this.#buffers[i] ?? raise(i);
  }

  length(i: number): number {
    return Math.min(this.#words[(i * HEADER + 56) / 4] ?? 0, this.#size);
  }

  /** Who sent it, as a struct sockaddr. Copy it to keep it. */
  source(i: number): Buffer {
    return (this.#sources[i] ?? raise(i)).subarray(0, this.#words[(i * HEADER + 8) / 4]);
  }

  /** Sends the beginning of the i-th buffer back with the next `send`. */
  reply(i: number, length: number): void {
    this.#describe(this.#count + this.#queued++, i, length, this.#words[(i * HEADER + 8) / 4] ?? 0);
  }

  /** Sends the replies. One that cannot be sent is lost, as datagrams are. */
  send(fd: number): void {
    for (let sent = 0; sent < this.#queued; ) {
      const address = this.#address + BigInt(this.#sendHeaders + sent * HEADER);
      // The first that fails is left out.
      sent += Math.max(1, sendMany(fd, address, this.#queued - sent));
    }
    this.#queued = 0;
  }

  /** Lets a header lead to a buffer and its address. */
  #describe(header: number, i: number, length: number, addressLength: number): void {
    const vector = 2 * this.#count * HEADER + header * VECTOR;
    this.#pointers[(header * HEADER) / 8] = this.#sourceAddresses[i] ?? raise(i);
    this.#words[(header * HEADER + 8) / 4] = addressLength;
    this.#pointers[vector / 8] = this.#bufferAddresses[i] ?? raise(i);
    this.#words[(vector + 8) / 4] = length;
    this.#words[(vector + 12) / 4] = 0;
  }
}

function raise(i: number): never {
  throw new RangeError(`there is no datagram ${i}`);
}
