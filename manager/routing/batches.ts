/** Bytes after which a message takes no more: what is larger itself goes alone. */
const BATCH_BYTES = 1 << 20;

/** The calls, in order, as messages of a relay's stream: one past the connection's limit would end the calls of all. */
export function* inBatches<T extends { readonly message: Uint8Array }>(calls: readonly T[]): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const call of calls) {
    if (batch.length > 0 && bytes + call.message.length > BATCH_BYTES) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(call);
    bytes += call.message.length;
  }
  if (batch.length > 0) yield batch;
}
