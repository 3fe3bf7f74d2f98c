import { expect, test } from 'vitest';
import { ManagerStatus, Reachability } from '../../proto/gen/index.js';
import type { GroupMember } from '../raft/member/group.js';
import { testNode } from '../testing/objects.js';
import { withStatus } from './status.js';

const address = '203.0.113.2:2377';
const managerStatus = ManagerStatus.create({ raftId: 2, address });
const node = testNode('node2', { managerStatus });

function statusWith(member: Partial<GroupMember>) {
  const whole = { raftId: 2, voter: true, leader: false, reachable: true, answered: true, caughtUp: true, address };
  return withStatus(node, new Map([[2, { ...whole, ...member }]])).managerStatus;
}

test.each([
  [{}, Reachability.REACHABLE],
  [{ reachable: false }, Reachability.UNREACHABLE],
  [{ voter: false }, Reachability.JOINING],
  [{ voter: false, caughtUp: false }, Reachability.JOINING],
  [{ voter: false, reachable: false }, Reachability.UNREACHABLE],
])('a member that is %o', (member, reachability) => {
  expect(statusWith(member)?.reachability).toBe(reachability);
});

test('leadership and another address are taken from the group', () => {
  expect(statusWith({ leader: true, address: '203.0.113.20:2377' })).toMatchObject({
    leader: true,
    address: '203.0.113.20:2377',
  });
});

test('one that is in no group yet cannot be relied on, and nothing new is the same object', () => {
  expect(withStatus(node, new Map())).toBe(node);
  const worker = testNode('node3');
  expect(withStatus(worker, new Map())).toBe(worker);
});
