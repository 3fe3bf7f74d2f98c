import type { Random } from '../core/testing/random.js';
import type { NodeId } from '../core/types.js';
import type { Group } from './group.js';
import type { SimNode } from './sim-node.js';

/** A leader and as many others as cannot decide anything with it. */
export function minorityAround(leader: SimNode, random: Random): readonly NodeId[] {
  const { voters } = leader.confState;
  const others = voters.filter((id) => id !== leader.id);
  const side = [leader.id];
  for (let n = random.below(Math.floor((voters.length + 1) / 2)); n > 0; n--)
    side.push(...others.splice(random.below(others.length), 1));
  return side;
}

/** Whoever is not on this side forgets its leader, and one of them campaigns: of the preferred ones, if there. */
export function elect(side: readonly NodeId[], group: Group, random: Random, preferred: readonly NodeId[] = []): void {
  const others = group.nodes.filter(({ id }) => !side.includes(id));
  for (const node of others) node.use((raw) => raw.forgetLeader());
  const candidate = random.pick(others.filter(({ id }) => preferred.includes(id))) ?? random.pick(others);
  candidate?.use((raw) => raw.campaign());
}
