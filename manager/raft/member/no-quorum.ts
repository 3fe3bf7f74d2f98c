import { type SwarmError, unavailable } from '../../../lib/errors.js';
import type { NodeId } from '../core/types.js';
import type { GroupMember } from './group.js';

/** What an operator reads when nobody leads: which managers are missing, and what to do. */
export function noQuorum({
  self,
  members,
}: {
  readonly self: NodeId;
  readonly members: readonly GroupMember[];
}): SwarmError {
  if (members.length > 0 && !members.some(({ raftId }) => raftId === self)) {
    return unavailable('This manager was taken out of the group of managers, and knows none that leads it.', {
      hint: 'If the swarm goes on without it: run "tsswarm leave --force" here and join anew.',
    });
  }
  const voters = members.filter(({ voter }) => voter);
  const missing = voters.filter(({ reachable }) => !reachable);
  const needed = Math.floor(voters.length / 2) + 1;
  if (voters.length - missing.length >= needed || missing.length === 0) {
    return unavailable('The swarm does not have a leader at this moment: its managers are electing one.', {
      hint: 'Try again in a few seconds.',
    });
  }
  const names = missing.map(({ raftId, address }) => address ?? `manager ${raftId.toString(16)}`);
  return unavailable(
    `The swarm does not have a leader: ${missing.length} of its ${voters.length} managers cannot be reached from here ` +
      `(${names.join(', ')}), and ${needed} are needed to decide anything. Services that run go on running.`,
    {
      value: names.join(' '),
      hint:
        `Start ${missing.length === 1 ? 'it' : 'them'} again, or mend the network. If ${missing.length === 1 ? 'it is' : 'they are'} lost for good: ` +
        'run "tsswarm init --force-new-cluster" on one manager that is left, and "tsswarm leave --force" on the others before they come back.',
    },
  );
}
