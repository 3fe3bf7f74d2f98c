/**
 * How keys of encrypted overlays change so that no packet is lost: every node has a key before any node sends under
 * it, and for a whole period after the last one has. Pure.
 *
 *     keys a b, sending b ──(period over)──▶ a b c, sending b ──(all nodes have applied it)──▶ b c, sending c
 *
 * Between one step and the next some nodes are a step behind; what either sends under, both have.
 *
 * Keys that are retired (an operator wants others) are no longer taken either, soon after nobody sends under them.
 */
import type { NetworkKey, NetworkKeyRing } from '../../proto/gen/index.js';

/** Milliseconds that nodes send under one key: Swarm's 12 hours. */
export const KEY_PERIOD = 12 * 3_600_000;
/** Milliseconds after which a node that does not apply a new key is no longer waited for. */
export const KEY_PATIENCE = 10 * 60_000;
/** Milliseconds after which no packet is under way any more that a node has sent under its last key. */
export const KEY_LINGER = 2_000;

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

/** Nobody sends under a retired key, or is about to stop doing so; nodes take packets under it still. */
const isRetiring = ({ keys, sending, retired }: NetworkKeyRing): boolean =>
  sending > retired && keys.some(({ time }) => time <= retired);

/** Whether the next step is one that nodes are waited for. */
export const isWaiting = (ring: NetworkKeyRing): boolean => isPrepared(ring) || isRetiring(ring);

/** @returns the same ring, all of whose keys shall go */
export const retireAll = (ring: NetworkKeyRing): NetworkKeyRing => ({ ...ring, retired: ring.keys.at(-1)?.time ?? 0 });

/** @returns the ring that follows now; undefined while it stays */
export function nextRing(ring: NetworkKeyRing, { now, behind, forced, newKey }: RingNews): NetworkKeyRing | undefined {
  const newest = ring.keys.at(-1);
  if (isPrepared(ring) && newest) {
    if (behind.length > 0 && now < newest.createdAt + KEY_PATIENCE) return undefined;
    const keys = ring.keys.filter(({ time }) => time >= ring.sending);
    return { ...following(ring, now), keys, sending: newest.time };
  }
  if (newest && newest.time > ring.retired && !forced && now < newest.createdAt + KEY_PERIOD) {
    const since = now - ring.changedAt;
    if (!isRetiring(ring) || since < (behind.length > 0 ? KEY_PATIENCE : KEY_LINGER)) return undefined;
    return { ...following(ring, now), keys: ring.keys.filter(({ time }) => time > ring.retired) };
  }
  const key: NetworkKey = { key: newKey(), time: (newest?.time ?? 0) + 1, createdAt: now };
  return { ...following(ring, now), keys: [...ring.keys, key], sending: newest ? ring.sending : key.time };
}

const following = (ring: NetworkKeyRing, now: number) => ({ ...ring, clock: ring.clock + 1, changedAt: now });

/** When to look again though nothing has happened; milliseconds since the epoch. */
export function nextLook(ring: NetworkKeyRing, now: number): number {
  const made = ring.keys.at(-1)?.createdAt ?? 0;
  if (isPrepared(ring)) return made + KEY_PATIENCE;
  const looks = isRetiring(ring) ? [KEY_LINGER, KEY_PATIENCE].map((time) => ring.changedAt + time) : [];
  return Math.min(made + KEY_PERIOD, ...looks.filter((time) => time > now));
}
