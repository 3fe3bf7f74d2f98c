import type { Message } from '../core/types.js';

/** Beyond these, what is sent to a peer is dropped. */
const maxMessages = 4096;
const maxBytes = 32 << 20;
/** A batch takes messages until it has reached these; a bigger message goes alone. */
const batchMessages = 512;
const batchBytes = 1 << 20;

/**
 * What waits to be written to one peer's stream: bounded, in order, and read in batches. What is
 * pushed in one turn of the event loop is read in that turn, together.
 */
export class Outbox {
  #messages: Message[] = [];
  #bytes = 0;
  #closed = false;
  #wake: (() => void) | undefined;
  #busySince: number | undefined;

  /** False when it is full: the message is dropped. */
  push(message: Message): boolean {
    const size = sizeOf(message);
    if (this.#closed || this.#messages.length >= maxMessages || this.#bytes + size > maxBytes) return false;
    this.#messages.push(message);
    this.#bytes += size;
    this.#wake?.();
    return true;
  }

  /** Since when, by the reader's `now`, the last batch is being written; undefined when none is. */
  get busySince(): number | undefined {
    return this.#busySince;
  }

  /** For one reader; ends when the box is closed. */
  async *batches(now: () => number): AsyncGenerator<readonly Message[]> {
    while (!this.#closed) {
      if (this.#messages.length > 0) {
        this.#busySince = now();
        yield this.#take();
        this.#busySince = undefined;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#messages = [];
    this.#wake?.();
  }

  #take(): readonly Message[] {
    let count = 0;
    let bytes = 0;
    for (const message of this.#messages) {
      const size = sizeOf(message);
      if (count > 0 && (count >= batchMessages || bytes + size > batchBytes)) break;
      count++;
      bytes += size;
    }
    this.#bytes -= bytes;
    return this.#messages.splice(0, count);
  }
}

/** About what it takes on the wire. */
function sizeOf(message: Message): number {
  let size = 32 + message.context.length;
  for (const entry of message.entries) size += 16 + entry.data.length;
  if (message.snapshot) size += 64 + message.snapshot.data.length;
  return size;
}
