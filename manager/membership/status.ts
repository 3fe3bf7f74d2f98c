import { type Node, Reachability } from '../../proto/gen/index.js';
import type { GroupMember } from '../raft/member/group.js';

/** The node with what the group says of it; the same object when it says nothing new. */
export function withStatus(node: Node, members: ReadonlyMap<number, GroupMember>): Node {
  const { managerStatus } = node;
  if (!managerStatus) return node;
  const member = members.get(managerStatus.raftId);
  const leader = member?.leader ?? false;
  const reachability = reachabilityOf(member);
  const address = member?.address ?? managerStatus.address;
  const { leader: wasLeader, reachability: was, address: before } = managerStatus;
  if (leader === wasLeader && reachability === was && address === before) return node;
  return { ...node, managerStatus: { ...managerStatus, leader, reachability, address } };
}

/** A learner does not count: with it in the place of a voter there is no quorum. */
function reachabilityOf(member: GroupMember | undefined): Reachability {
  if (!member?.reachable) return Reachability.UNREACHABLE;
  return member.voter ? Reachability.REACHABLE : Reachability.JOINING;
}
