import { expect, test } from 'vitest';
import { Serial } from '../lib/async.js';
import { ManualClock } from '../lib/clock.js';
import { unavailable } from '../lib/errors.js';
import { silentLogger } from '../lib/log.js';
import { Meta, Node, NodeRole } from '../proto/gen/index.js';
import { RoleFollower } from './role-follower.js';

const node = (role: NodeRole, version: number) => Node.create({ role, meta: Meta.create({ version }) });

function following(take: (role: 'manager' | 'worker') => Promise<void>) {
  const clock = new ManualClock();
  const serial = new Serial();
  const { signal } = new AbortController();
  return { clock, serial, follower: new RoleFollower({ take, serial, clock, log: silentLogger, signal }) };
}

test('a role that cannot be taken is tried again, and what is in the way is told until it is', async () => {
  const taken: string[] = [];
  const { clock, follower } = following(async (role) => {
    taken.push(role);
    if (taken.length === 1) throw unavailable('no manager is there');
  });
  follower.see(node(NodeRole.MANAGER, 2));
  await expect.poll(() => follower.error).toBe('cannot become a manager yet: no manager is there');
  await clock.advance(1000);
  await expect.poll(() => follower.error).toBe('');
  expect(taken).toEqual(['manager', 'manager']);
});

test('an older word of the node changes nothing, a newer one while a role is taken is followed after it', async () => {
  const taken: string[] = [];
  const { follower } = following(async (role) => {
    taken.push(role);
  });
  follower.see(node(NodeRole.MANAGER, 2));
  follower.see(node(NodeRole.WORKER, 1));
  await expect.poll(() => taken).toEqual(['manager']);
  follower.see(node(NodeRole.WORKER, 3));
  await expect.poll(() => taken).toEqual(['manager', 'worker']);
});

test('a role of a swarm that is left meanwhile is taken in no other one', async () => {
  const taken: string[] = [];
  const { clock, serial, follower } = following(async (role) => {
    taken.push(role);
    throw unavailable('no manager is there');
  });
  follower.see(node(NodeRole.MANAGER, 2));
  await expect.poll(() => follower.error).not.toBe('');
  // The next try waits for its turn while the machine leaves, and enters another swarm.
  const left = serial.run(async () => {
    await clock.advance(1000);
    follower.end();
  });
  await left;
  await serial.run(async () => {});
  await clock.advance(60_000);
  expect(taken).toEqual(['manager']);
});
