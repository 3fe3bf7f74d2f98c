import type { RawNode } from '../core/raw-node.js';
import type { Group } from './group.js';
import type { SimNode } from './sim-node.js';
import { Violation } from './violation.js';

/** Ticks within which a group without faults must agree. */
const patience = 3000;

/**
 * Ends all faults: the members of the last configuration must then agree on all that was committed.
 * Who was removed is off, as an operator would have it: it could campaign for ever. False when no
 * leader can be elected any more by Raft's own rules.
 * @throws Violation
 */
export function converge(group: Group, propose: (raw: RawNode) => void): boolean {
  group.network.settle();
  for (const node of group.nodes) node.recover();
  for (let round = 0; round < patience; round++) {
    const members = group.members();
    if (round > 20 && agree(group, members)) return true;
    for (const node of members) node.use((raw) => raw.tick());
    settle(group, members);
    if (round % 10 === 0) members.find(leads)?.use(propose);
  }
  if (needsRemoved(group.members())) return false;
  const states = group.members().map(({ id, applied, raft }) => `${id}: ${raft?.state} applied ${applied}`);
  throw new Violation(
    'progress',
    `without faults ${group.witness.log.lastCommitted} is committed, ${states.join('; ')}`,
  );
}

/** Everything is done and delivered until nothing happens without a tick. */
function settle(group: Group, members: readonly SimNode[]): void {
  for (let round = 0; group.network.size > 0 || members.some(({ busy }) => busy); round++) {
    if (round > patience) throw new Violation('progress', 'messages go round for ever');
    for (const node of members) group.work(node);
    for (let waiting = group.network.size; waiting > 0; waiting--) group.deliver();
  }
}

function leads({ raft }: SimNode): boolean {
  return raft?.state === 'StateLeader';
}

/**
 * A leader that removed or demoted itself, and crashed before it told the others, can hold a longer
 * log than they: it refuses its vote, which they still need, and may not lead itself. Hence
 * leadership is to be transferred before a leader is removed.
 */
function needsRemoved(members: readonly SimNode[]): boolean {
  const votersOf = ({ confState }: SimNode) => [...confState.voters, ...confState.votersOutgoing];
  return members.some((node) => {
    const needed = members.some((other) => votersOf(other).includes(node.id));
    return needed && !votersOf(node).includes(node.id);
  });
}

function agree(group: Group, members: readonly SimNode[]): boolean {
  const { lastCommitted } = group.witness.log;
  if (!members.some(leads) || members.some(({ applied }) => applied !== lastCommitted)) return false;
  if (new Set(members.map(({ digest }) => digest)).size > 1)
    throw new Violation('state machine safety', `the members differ after ${lastCommitted}`);
  return true;
}
