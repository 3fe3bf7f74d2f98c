/** Messages over TCP have their length before them, in two bytes (RFC 1035, 4.2.2). */

const PREFIX = 2;

export function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX + message.length);
  bytes.writeUInt16BE(message.length, 0);
  bytes.set(message, PREFIX);
  return bytes;
}

/** Puts messages together from what comes in pieces. */
export class FrameReader {
  readonly #onMessage: (message: Buffer) => void;
  #pieces: Buffer = Buffer.alloc(0);

  /** @param onMessage gets bytes that are its own only until it returns */
  constructor(onMessage: (message: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  push(bytes: Buffer): void {
    let rest = this.#pieces.length === 0 ? bytes : Buffer.concat([this.#pieces, bytes]);
    while (rest.length >= PREFIX) {
      const end = PREFIX + rest.readUInt16BE(0);
      if (rest.length < end) break;
      this.#onMessage(rest.subarray(PREFIX, end));
      rest = rest.subarray(end);
    }
    this.#pieces = rest;
  }
}
