import type { GroupMember } from '../raft/member/group.js';

/**
 * Why the group of managers cannot do without this member now, in words; undefined when it can. Those
 * that would stay must have a majority among themselves that has answered the leader lately.
 */
export function whyNeeded(members: readonly GroupMember[], raftId: number): string | undefined {
  const leaving = members.find((member) => member.raftId === raftId);
  if (!leaving?.voter) return undefined;
  const staying = members.filter(({ voter, raftId: id }) => voter && id !== raftId);
  if (staying.length === 0) return 'it is the last manager of the swarm';
  const needed = Math.floor(staying.length / 2) + 1;
  const there = staying.filter(({ answered }) => answered).length;
  if (there >= needed) return undefined;
  const missing = staying.filter(({ answered }) => !answered).map(({ address, raftId: id }) => address ?? String(id));
  return (
    `the swarm would lose its quorum: of the ${staying.length} managers that would be left ${needed} are needed ` +
    `and ${there} can be reached (not ${missing.join(', ')})`
  );
}
