import type { Random } from '../../../manager/raft/core/testing/random.js';

/** What can happen to a manager: its process dies, freezes, is cut off, or is not heard any more. */
export type FaultKind = 'kill' | 'freeze' | 'cut' | 'mute';

export interface Fault {
  readonly kind: FaultKind;
  /** The manager that leads when the fault begins, or a number below that of the managers. */
  readonly target: 'leader' | number;
}

/** Faults that begin together. */
export interface Episode {
  readonly faults: readonly Fault[];
  /** Milliseconds until they are mended. */
  readonly lasts: number;
}

const KINDS: readonly FaultKind[] = ['kill', 'freeze', 'cut', 'mute'];
const SHORTEST = 200;
const LONGEST = 3_000;

/** Episodes without end, by the seed alone. A quorum is left in most of them. */
export function* schedule(random: Random, managers: number): Generator<Episode> {
  for (;;) {
    const minority = Math.floor((managers - 1) / 2);
    const count = random.chance(0.75) ? 1 + random.below(minority) : 1 + random.below(managers);
    const others = Array.from({ length: managers }, (_, index) => index).sort(() => random.next() - 0.5);
    const targets = random.chance(0.6) ? ['leader' as const, ...others] : others;
    const faults = targets.slice(0, count).map((target) => ({ kind: random.pick(KINDS) ?? 'kill', target }));
    yield { faults, lasts: SHORTEST + random.below(LONGEST - SHORTEST) };
  }
}
