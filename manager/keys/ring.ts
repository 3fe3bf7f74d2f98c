/**
 * How keys of encrypted overlays change so that no packet is lost: every node has a key before any node sends under
 * it, and for a whole period after the last one has. Pure.
 *
 *     keys a b, sending b ──(period over)──▶ a b c, sending b ──(all nodes have applied it)──▶ b c, sending c
 *
 * Between one step and the next some nodes are a step behind; what either sends under, both have.
 */
import type { NetworkKey, NetworkKeyRing } from '../../proto/gen/index.js';

/** Milliseconds that nodes send under one key: Swarm's 12 hours. */
export const KEY_PERIOD = 12 * 3_600_000;
/** Milliseconds after which a node that does not apply a new key is no longer waited for. */
export const KEY_PATIENCE = 10 * 60_000;

export interface RingNews {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Nodes that have not applied the ring as it is. */
  readonly behind: readonly string[];
  /** A new key is due whatever the time. */
  readonly forced: boolean;
  readonly newKey: () => Uint8Array;
}

/** Every node has the newest key, or is about to; none sends under it. */
export const isPrepared = ({ keys, sending }: NetworkKeyRing): boolean => (keys.at(-1)?.time ?? 0) > sending;

/** @returns the ring that follows now; undefined while it stays */
export function nextRing(ring: NetworkKeyRing, { now, behind, forced, newKey }: RingNews): NetworkKeyRing | undefined {
  const newest = ring.keys.at(-1);
  if (isPrepared(ring) && newest) {
    if (behind.length > 0 && now < newest.createdAt + KEY_PATIENCE) return undefined;
    const keys = ring.keys.filter(({ time }) => time >= ring.sending);
    return { clock: ring.clock + 1, keys, sending: newest.time };
  }
  if (newest && !forced && now < newest.createdAt + KEY_PERIOD) return undefined;
  const key: NetworkKey = { key: newKey(), time: (newest?.time ?? 0) + 1, createdAt: now };
  return { clock: ring.clock + 1, keys: [...ring.keys, key], sending: newest ? ring.sending : key.time };
}

/** When to look again though nothing has happened; milliseconds since the epoch. */
export function nextLook(ring: NetworkKeyRing): number {
  const made = ring.keys.at(-1)?.createdAt ?? 0;
  return made + (isPrepared(ring) ? KEY_PATIENCE : KEY_PERIOD);
}
