import { randomUUID } from 'node:crypto';
import type { Machines } from './plane-fixture.js';

const PLACES = {
  /** What comes in, before anything else looks at it. */
  arriving: 'hook prerouting priority -450',
  /** What comes in, when its connection is known. */
  tracked: 'hook prerouting priority -1',
  /** What goes out, after everything else has looked at it. */
  leaving: 'hook postrouting priority 450',
} as const;

/** Counts packets of a namespace that match, from now on. */
export function countPackets(
  machines: Machines,
  where: string,
  match: string,
  place: keyof typeof PLACES = 'arriving',
): () => number {
  const table = `watch-${randomUUID()}`;
  machines.inside(
    where,
    'nft',
    `table ip ${table} { chain counted { type filter ${PLACES[place]}; ${match} counter; }; }`,
  );
  return () => Number(/packets (\d+)/.exec(machines.inside(where, 'nft', 'list', 'table', 'ip', table))?.[1]);
}
