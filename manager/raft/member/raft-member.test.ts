import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { TestGroup, until } from './testing.js';

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

test('member - what is acknowledged is applied by all, in one order, and told by none before', async () => {
  const group = await TestGroup.start(3);
  const leader = await group.leader();
  for (const line of numbers(1, 50)) await leader.propose(line);
  expect(leader.lines).toEqual(numbers(1, 50));
  for (const follower of await group.followers()) {
    await follower.member.barrier();
    expect(follower.lines).toEqual(numbers(1, 50));
  }
});

test('member - a follower refuses proposals and says who leads', async () => {
  const group = await TestGroup.start(2);
  const leader = await group.leader();
  const [follower] = await group.followers();
  await expect(follower?.propose('x')).rejects.toMatchObject({ code: 'UNAVAILABLE', value: leader.address });
  expect(leader.lines).toEqual([]);
});

test('member - one that stops hands its leadership over, and is not missed', async () => {
  const group = await TestGroup.start(3);
  const first = await group.leader();
  await first.propose('before');
  await first.stop();
  const next = await group.leader();
  expect(next).not.toBe(first);
  await next.propose('after');
  await first.restart();
  await first.member.barrier();
  expect(first.lines).toEqual(['before', 'after']);
});

test('member - a leader that is gone without a word is replaced; what it acknowledged stays', async () => {
  const group = await TestGroup.start(3);
  const acknowledged: string[] = [];
  for (let round = 1; round <= 3; round++) {
    const leader = await group.leader();
    for (const line of numbers(round * 10, round * 10 + 4)) {
      await leader.propose(line);
      acknowledged.push(line);
    }
    await leader.stop(true);
    expect((await group.leader()).lines).toEqual(acknowledged);
    await leader.restart();
    await leader.member.barrier();
    expect(leader.lines).toEqual(acknowledged);
  }
});

test('member - without a quorum nothing is acknowledged, and the words name who is missing', async () => {
  const group = await TestGroup.start(3);
  const leader = await group.leader();
  const [one, other] = await group.followers();
  await one?.stop(true);
  await other?.stop(true);
  const failure = leader.propose('lost').catch((error: unknown) => error);
  expect(await failure).toMatchObject({ code: 'UNKNOWN' });
  await until(() => !leader.member.standing().leading);
  await expect(leader.member.barrier()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(
      /2 of its 3 managers cannot be reached from here \(127[^)]+, 127[^)]+\), and 2 are needed/,
    ),
  });
  await one?.restart();
  await (await group.leader()).propose('again');
});

test('member - a leader takes no more than a majority may have to catch up with, and says why', async () => {
  const group = await TestGroup.start(3);
  const leader = await group.leader();
  for (const follower of await group.followers()) await follower.stop(true);
  const megabyte = 'x'.repeat(2 ** 20);
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => leader.propose(megabyte)));
  const codes = results.map((result) => result.status === 'rejected' && result.reason.code);
  // What was taken may be written yet, by those who come back; what was refused was never in the log.
  expect(codes).toEqual([...Array(16).fill('UNKNOWN'), ...Array(4).fill('UNAVAILABLE')]);
  expect(results.at(-1)).toMatchObject({ reason: { message: expect.stringContaining('too much waits') } });
});

test('member - one that was away for long catches up by a snapshot', async () => {
  const group = await TestGroup.start(3, { interval: 20, keepEntries: 5 });
  const [late] = await group.followers();
  await late?.stop();
  const leader = await group.leader();
  for (const line of numbers(1, 200)) await leader.propose(line);
  await late?.restart();
  await late?.member.barrier();
  expect(late?.lines).toEqual(numbers(1, 200));
  await late?.stop();
  await late?.restart();
  await late?.member.barrier();
  expect(late?.lines).toEqual(numbers(1, 200));
});

test('member - a read is not confirmed on the state that a snapshot is just replacing', async () => {
  const group = await TestGroup.start(3, { interval: 20, keepEntries: 5 });
  const [late] = await group.followers();
  if (!late) throw new RangeError('no follower');
  await late.stop();
  const leader = await group.leader();
  for (const line of numbers(1, 100)) await leader.propose(line);
  await late.restart();
  const release = late.machine.holdRestores();
  const before = late.machine.restores;
  await until(() => late.machine.restores > before);
  const read = late.member.barrier().then(() => late.lines.slice(0, 100));
  // Each of these takes as long as the leader takes to confirm a read.
  for (const line of numbers(101, 120)) await leader.propose(line);
  expect(late.lines).not.toContain('100');
  release();
  expect(await read).toEqual(numbers(1, 100));
  await late.member.barrier();
  expect(late.lines).toEqual(numbers(1, 120));
});

test('group - a new member is a learner until it has caught up, and a removed one is out', async () => {
  const group = await TestGroup.start(2, { interval: 10, keepEntries: 2 });
  const leader = await group.leader();
  for (const line of numbers(1, 60)) await leader.propose(line);
  const late = await group.add();
  await group.join(late);
  await late.member.barrier();
  expect(late.lines).toEqual(numbers(1, 60));
  await leader.group.remove(late.raftId);
  expect(leader.group.members().map(({ raftId }) => raftId)).toEqual([1, 2]);
  await leader.propose('without it');
  expect(late.lines).toEqual(numbers(1, 60));
});

test('group - a change is told when the next one is taken, while entries behind it are still applied', async () => {
  const group = await TestGroup.start(1);
  const leader = await group.leader();
  // Both are in one message to be applied, and the line takes more than a turn of the event loop has.
  const changed = leader.group.addLearner(2);
  leader.machine.delay = 30;
  const proposed = leader.propose('slow');
  await changed;
  await leader.group.remove(2);
  expect(leader.group.members().map(({ raftId }) => raftId)).toEqual([1]);
  await proposed;
});

test('group - leadership goes to whom it is given', async () => {
  const group = await TestGroup.start(3);
  const [chosen] = await group.followers();
  const leader = await group.leader();
  await leader.group.transferLeadership(chosen?.raftId);
  expect(await group.leader()).toBe(chosen);
});

test('member - many at once share entries on disk, and each knows its own index', async () => {
  const group = await TestGroup.start(3);
  const leader = await group.leader();
  const indexes = await Promise.all(numbers(1, 500).map((line) => leader.propose(line)));
  expect(new Set(indexes).size).toBe(500);
  expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
  expect(leader.lines).toEqual(numbers(1, 500));
});

test('member - one whose folder was put back from an older copy ends when the leader hears of it, and says what to do', async () => {
  const group = await TestGroup.start(3);
  const leader = await group.leader();
  const [follower] = await group.followers();
  if (!follower) throw new RangeError('a group of three has followers');
  const folder = path.join(group.folder, `node${follower.raftId}`);
  await follower.stop();
  cpSync(folder, `${folder}-copy`, { recursive: true });
  await follower.restart();
  for (const line of numbers(1, 20)) await leader.propose(line);
  await until(() => follower.lines.length === 20);
  await follower.stop();
  rmSync(folder, { recursive: true });
  cpSync(`${folder}-copy`, folder, { recursive: true });
  await follower.restart();
  await until(() => group.fatal !== undefined);
  expect(group.fatal).toMatchObject({
    code: 'INTERNAL',
    message: expect.stringMatching(/^the log of the managers contradicts itself: tocommit\(\d+\) is out of range/),
    hint: expect.stringContaining('join anew'),
  });
  group.fatal = undefined;
});
