import type { Index, NodeId } from '../types.js';
import type { AckedIndexer } from './majority.js';

/**
 * A picture of who has acknowledged what: one line a voter, with a bar as long as the
 * number of voters that have acknowledged less, and `?` for those that have not reported.
 */
export function describeCommit(voters: Iterable<NodeId>, acked: AckedIndexer): string {
  const byId = [...voters].sort((a, b) => a - b).map((id) => ({ id, index: acked(id) }));
  if (byId.length === 0) return '<empty majority quorum>';
  const width = byId.length;
  const byIndex = [...byId].sort((a, b) => (a.index ?? 0) - (b.index ?? 0) || a.id - b.id);
  const bars = new Map<NodeId, number>();
  let below: Index = 0;
  let bar = 0;
  for (const [position, { id, index = 0 }] of byIndex.entries()) {
    if (position > 0 && below < index) bar = position;
    bars.set(id, bar);
    below = index;
  }
  const lines = byId.map(({ id, index }) => {
    const length = bars.get(id) ?? 0;
    const picture =
      index === undefined ? `?${' '.repeat(width)}` : `${'x'.repeat(length)}>${' '.repeat(width - length)}`;
    return `${picture} ${String(index ?? 0).padStart(5)}    (id=${id})\n`;
  });
  return `${' '.repeat(width)}    idx\n${lines.join('')}`;
}

export function indexString(index: Index): string {
  return index === Number.POSITIVE_INFINITY ? '∞' : String(index);
}
