import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { nodeOf, tsswarm } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { NodeRole, NodeState, Reachability } from '../../proto/gen/index.js';
import { addressOf, IMAGE, onNode, useLab } from './lab.js';
import { mend, nodesSeenBy, succeed, untilSettled } from './managers.js';
import { nothingRestarted } from './servers.js';

useLab(5, '--managers', '3', '--dispatcher-heartbeat', '2s');

/** Who the managers are: each test leaves three. */
let managers: readonly number[] = [1, 2, 3];
const followersOf = (leader: number): readonly [number, number] => {
  const [a = 0, b = 0] = managers.filter((node) => node !== leader);
  return [a, b];
};
const name = (node: number) => `node${node}`;
const logOf = (node: number) => path.join(nodeOf(node).dataRoot, 'manager');

beforeAll(async () => {
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--mode', 'global', IMAGE);
});
afterEach(async () => {
  await mend(managers);
  await untilSettled(managers);
});

/** The node answers as a worker, and has given its log up. */
async function untilWorker(node: number): Promise<void> {
  await until(`${name(node)} is a worker`, 20, async () => {
    const { stderr } = await onNode(node, 'node', 'ls');
    return (stderr.includes('This node is not a swarm manager') && !existsSync(logOf(node))) || undefined;
  });
}

async function untilMissed(node: number, by: number): Promise<void> {
  await until(`${name(node)} is known to be gone`, 20, async () => {
    const status = (await nodesSeenBy(by))?.get(name(node))?.managerStatus;
    return status?.reachability === Reachability.UNREACHABLE || undefined;
  });
}

test('promote and demote - a worker becomes a manager and back, its containers go on', async () => {
  await nothingRestarted('web', 5, async () => {
    const [follower] = followersOf(await untilSettled(managers));
    expect(await succeed(follower, 'node', 'promote', 'node4')).toBe('Node node4 promoted to a manager in the swarm.');
    await untilSettled([...managers, 4]);
    await succeed(4, 'node', 'update', '--label-add', 'by=node4', 'node5');
    expect(await succeed(follower, 'node', 'demote', 'node4')).toBe('Manager node4 demoted in the swarm.');
    await untilSettled(managers);
    await untilWorker(4);
    expect(await succeed(follower, 'node', 'ls', '--filter', 'node.label=by=node4', '--quiet')).not.toBe('');
  });
});

test('demote - the leader itself: another one leads, it becomes a worker, and can be promoted again', async () => {
  await nothingRestarted('web', 5, async () => {
    const leader = await untilSettled(managers);
    const [follower] = followersOf(leader);
    await succeed(leader, 'node', 'demote', name(leader));
    await untilSettled(followersOf(leader));
    await untilWorker(leader);
    await succeed(follower, 'node', 'promote', name(leader));
    await untilSettled(managers);
    await succeed(leader, 'node', 'update', '--label-add', 'by=again', 'node5');
  });
});

test('leave - a manager that can be spared leaves the group, its node can be removed and joins as a manager again', async () => {
  const leader = await untilSettled(managers);
  const [follower, leaving] = followersOf(leader);
  expect(await succeed(leaving, 'leave')).toBe('Node left the swarm.');
  expect(existsSync(logOf(leaving))).toBe(false);
  await untilSettled([leader, follower]);
  const left = (await nodesSeenBy(leader))?.get(name(leaving));
  expect(left).toMatchObject({ role: NodeRole.WORKER, managerStatus: undefined, status: { state: NodeState.DOWN } });
  await succeed(follower, 'node', 'rm', name(leaving));
  const token = await succeed(follower, 'join-token', '--quiet', 'manager');
  const joined = await succeed(
    leaving,
    'join',
    '--advertise-addr',
    addressOf(leaving),
    '--token',
    token,
    addressOf(leader),
  );
  expect(joined).toBe('This node joined a swarm as a manager.');
  await untilSettled(managers);
});

test('leave - of the leader', async () => {
  const leader = await untilSettled(managers);
  await succeed(leader, 'leave');
  const others = followersOf(leader);
  await untilSettled(others);
  await succeed(others[0], 'node', 'rm', name(leader));
  const token = await succeed(others[0], 'join-token', '--quiet', 'manager');
  await succeed(leader, 'join', '--advertise-addr', addressOf(leader), '--token', token, ...others.map(addressOf));
  await untilSettled(managers);
});

test('without a manager that is down - no other may go, and the reason is told', async () => {
  const leader = await untilSettled(managers);
  const [follower, dead] = followersOf(leader);
  await tsswarm('lab', 'kill', name(dead));
  await untilMissed(dead, leader);
  const reason = `of the 2 managers that would be left 2 are needed and 1 can be reached (not ${addressOf(dead)}:2377)`;
  const refused = [
    await onNode(follower, 'node', 'demote', name(follower)),
    await onNode(follower, 'node', 'demote', name(leader)),
    await onNode(follower, 'node', 'rm', '--force', name(leader)),
    await onNode(follower, 'leave'),
  ];
  for (const { code, stderr } of refused) {
    expect(stderr).toContain(reason);
    expect(code).toBe(1);
  }
  await mend([dead]);
  await untilSettled(managers);
});

test('node rm - a manager is refused; by force one that is dead goes, and learns it when it is back', async () => {
  const leader = await untilSettled(managers);
  const [follower, dead] = followersOf(leader);
  const refused = await onNode(follower, 'node', 'rm', name(dead));
  expect(refused.stderr).toContain(`node ${name(dead)} is a manager and cannot be removed`);
  expect(refused.stderr).toContain(`tsswarm node demote ${name(dead)}`);
  expect(refused.code).toBe(1);
  await tsswarm('lab', 'kill', name(dead));
  expect(await succeed(follower, 'node', 'rm', '--force', name(dead))).toBe(name(dead));
  await untilSettled([leader, follower]);
  expect((await nodesSeenBy(follower))?.has(name(dead))).toBe(false);

  await tsswarm('lab', 'start', name(dead));
  await until('it knows that it is out', 20, async () => {
    const { stdout } = await onNode(dead, 'info');
    return stdout.includes('does not know this node any more') || undefined;
  });
  await untilSettled([leader, follower]);
  await succeed(dead, 'leave', '--force');
  const token = await succeed(follower, 'join-token', '--quiet', 'manager');
  await succeed(dead, 'join', '--advertise-addr', addressOf(dead), '--token', token, addressOf(follower));
  await untilSettled(managers);
});

test('leave - forced, where the quorum does not allow it: the others are told what is missing', async () => {
  const leader = await untilSettled(managers);
  const [follower, gone] = followersOf(leader);
  await tsswarm('lab', 'kill', name(gone));
  await untilMissed(gone, leader);
  expect(await succeed(follower, 'leave', '--force')).toBe('Node left the swarm.');
  const stuck = await onNode(leader, 'service', 'ls');
  expect(stuck.stderr).toContain('2 of its 3 managers cannot be reached from here');
  expect(stuck.code).toBe(1);
  await tsswarm('lab', 'start', name(gone));
  await succeed(leader, 'node', 'rm', '--force', name(follower));
  await untilSettled([leader, gone]);
  managers = [leader, gone];
});
