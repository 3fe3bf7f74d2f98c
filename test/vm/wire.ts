import { deserialize, serialize } from 'node:v8';

const LENGTH_BYTES = 4;

/** A message as it goes over a stream: its length (4 bytes, big-endian), then what v8.serialize makes of it. */
export function frame(message: unknown): Buffer {
  const body = serialize(message);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Puts the messages of a stream of frames together again. */
export class Unframer {
  #pending: Buffer[] = [];
  #size = 0;

  /** @returns the messages that this piece completes, in order */
  push(piece: Buffer): unknown[] {
    this.#pending.push(piece);
    this.#size += piece.length;
    const messages: unknown[] = [];
    for (;;) {
      const need = this.#need();
      if (this.#size < need) return messages;
      const bytes = Buffer.concat(this.#pending);
      messages.push(deserialize(bytes.subarray(LENGTH_BYTES, need)));
      this.#pending = bytes.length > need ? [bytes.subarray(need)] : [];
      this.#size = bytes.length - need;
    }
  }

  /** Bytes of the first frame with its length, or what it takes to know that. */
  #need(): number {
    if (this.#size < LENGTH_BYTES) return LENGTH_BYTES;
    if ((this.#pending[0]?.length ?? 0) < LENGTH_BYTES) this.#pending = [Buffer.concat(this.#pending)];
    return LENGTH_BYTES + (this.#pending[0]?.readUInt32BE() ?? 0);
  }
}
