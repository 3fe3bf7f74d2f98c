import { yieldToLoop } from '../../../lib/async.js';
import { aborted } from '../../../lib/errors.js';
import { type RaftHello, SnapshotPart } from '../../../proto/gen/raft-transport.js';
import type { Message } from '../core/types.js';

/** One part per chunk; the event loop gets a turn after each. */
export async function* partsOf(
  hello: RaftHello,
  message: Message,
  chunks: Iterable<Uint8Array>,
): AsyncGenerator<SnapshotPart> {
  yield SnapshotPart.create({ hello, message });
  for (const data of chunks) {
    yield SnapshotPart.create({ data });
    await yieldToLoop();
  }
  yield SnapshotPart.create({ last: true });
}

/** @throws ABORTED when the parts end before the last one */
export async function* chunksOf(parts: AsyncIterator<SnapshotPart>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { value, done } = await parts.next();
    if (done) throw aborted('the snapshot was cut short by its sender');
    if (value.data.length > 0) yield value.data;
    if (value.last) return;
  }
}
