import type { Index, Message, NodeId } from './types.js';

/** A read that waits until a quorum has confirmed that this node leads. */
export interface PendingRead {
  readonly request: Message;
  /** The commit index when the read arrived: what the reader must have applied. */
  readonly index: Index;
}

/**
 * Reads waiting for confirmation, oldest first. A heartbeat carries the context of one read; its
 * acknowledgement by a quorum confirms that read and all that came before it.
 *
 * Contexts must be unique within the group, not only on the node that reads.
 */
export class ReadOnlyQueue {
  readonly #acks = new Map<string, Map<NodeId, boolean>>();
  #queue: { readonly key: string; readonly read: PendingRead }[] = [];

  /** A read that is already waiting under this context is not added again. */
  add(index: Index, request: Message): void {
    const key = keyOf(contextOf(request));
    if (this.#acks.has(key)) return;
    this.#acks.set(key, new Map());
    this.#queue.push({ key, read: { index, request } });
  }

  /** Who has acknowledged the context so far, this node included; nobody for an unknown context. */
  receiveAck(from: NodeId, context: Uint8Array): ReadonlyMap<NodeId, boolean> {
    const acks = this.#acks.get(keyOf(context));
    acks?.set(from, true);
    return acks ?? new Map();
  }

  /** Takes the confirmed read and all before it. */
  advance(context: Uint8Array): readonly PendingRead[] {
    const key = keyOf(context);
    const at = this.#queue.findIndex((waiting) => waiting.key === key);
    if (at < 0) return [];
    const confirmed = this.#queue.slice(0, at + 1);
    this.#queue = this.#queue.slice(at + 1);
    for (const waiting of confirmed) this.#acks.delete(waiting.key);
    return confirmed.map(({ read }) => read);
  }

  /** The newest read's context: heartbeats carry it, which confirms all. Undefined when none waits. */
  lastPendingContext(): Uint8Array | undefined {
    const last = this.#queue.at(-1);
    return last && contextOf(last.read.request);
  }
}

/** A MsgReadIndex names itself by the data of its only entry. */
export function contextOf(request: Message): Uint8Array {
  return request.entries[0]?.data ?? new Uint8Array(0);
}

function keyOf(context: Uint8Array): string {
  return Buffer.from(context.buffer, context.byteOffset, context.byteLength).toString('latin1');
}
