import type { Clock } from '../../../lib/clock.js';
import { type Message, MsgType } from '../core/types.js';

/** Beyond these, what is sent to a peer is dropped. */
const maxMessages = 4096;
const maxBytes = 32 << 20;
/** A batch takes messages until it has reached these; a bigger message goes alone. */
const batchMessages = 512;
const batchBytes = 1 << 20;
/** Milliseconds for which a message that tells no more than a commit index waits for one to travel with. */
export const HOLD = 10;

/**
 * What waits to be written to one peer's stream: bounded, in order, and read in batches. What is
 * pushed in one turn of the event loop is read in that turn, together.
 *
 * An append without entries only tells that others have been committed, which nobody waits for: it
 * goes with the next message, or after HOLD, and not at all when that message tells it too. For
 * Raft it is one that the network has delayed or lost. A follower's read does not suffer, since the
 * answer to its request is such a next message, and comes behind.
 */
export class Outbox {
  readonly #clock: Clock;
  #messages: Message[] = [];
  #bytes = 0;
  #closed = false;
  #wake: (() => void) | undefined;
  #busySince: number | undefined;
  #held: Message | undefined;
  #cancelRelease: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** False when it is full: the message is dropped. */
  push(message: Message): boolean {
    const held = this.#held;
    this.#held = undefined;
    if (held && !tellsAll(message, held)) this.#queue(held);
    return tellsCommitOnly(message) ? this.#hold(message) : this.#queue(message);
  }

  /** Since when, by the clock, the last batch is being written; undefined when none is. */
  get busySince(): number | undefined {
    return this.#busySince;
  }

  /** For one reader; ends when the box is closed. */
  async *batches(): AsyncGenerator<readonly Message[]> {
    while (!this.#closed) {
      if (this.#messages.length > 0) {
        this.#busySince = this.#clock.monotonic();
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
    this.#held = undefined;
    this.#cancelRelease?.();
    this.#wake?.();
  }

  #queue(message: Message): boolean {
    if (!this.#hasRoom(message)) return false;
    this.#messages.push(message);
    this.#bytes += sizeOf(message);
    this.#wake?.();
    return true;
  }

  #hold(message: Message): boolean {
    // Its room stays: nothing is queued before it.
    if (!this.#hasRoom(message)) return false;
    this.#held = message;
    this.#cancelRelease ??= this.#clock.after(HOLD, () => this.#release());
    return true;
  }

  #release(): void {
    this.#cancelRelease = undefined;
    const held = this.#held;
    this.#held = undefined;
    if (held) this.#queue(held);
  }

  #hasRoom(message: Message): boolean {
    return !this.#closed && this.#messages.length < maxMessages && this.#bytes + sizeOf(message) <= maxBytes;
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

function tellsCommitOnly({ type, entries }: Message): boolean {
  return type === MsgType.MsgApp && entries.length === 0;
}

/** Whether a follower that takes `later` knows all that `held` would have told it. */
function tellsAll(later: Message, held: Message): boolean {
  return (
    later.type === MsgType.MsgApp &&
    later.term === held.term &&
    later.index >= held.index &&
    later.commit >= held.commit
  );
}

/** About what it takes on the wire. */
function sizeOf(message: Message): number {
  let size = 32 + message.context.length;
  for (const entry of message.entries) size += 16 + entry.data.length;
  if (message.snapshot) size += 64 + message.snapshot.data.length;
  return size;
}
