import { type Clock, ManualClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import { MemoryStore } from './memory-store.js';
import type { Proposer } from './proposer.js';
import { VolatileLog } from './volatile-log.js';

/** A started store whose objects are frozen, so that a test that changes one in place fails. */
export async function openTestStore(options: { clock?: Clock; proposer?: Proposer } = {}): Promise<MemoryStore> {
  const store = new MemoryStore({
    proposer: options.proposer ?? new VolatileLog(),
    clock: options.clock ?? new ManualClock(),
    log: silentLogger,
    onObject: deepFreeze,
  });
  await store.start();
  return store;
}

/** Typed arrays are left out: the language cannot freeze them. */
function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
}
