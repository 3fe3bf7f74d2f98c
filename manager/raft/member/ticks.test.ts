import { expect, test } from 'vitest';
import { ManualClock } from '../../../lib/clock.js';
import { Cluster } from '../core/testing/cluster.js';
import { MsgType, message } from '../core/types.js';
import { TICK } from './settings.js';
import { Ticks } from './ticks.js';

const CONFIG = { electionTick: 10, heartbeatTick: 2, preVote: true, checkQuorum: true, random: () => 0.5 };

/** A member whose ticks a clock gives, as an engine has it, and what they came to. */
function timed(voters: readonly number[], learners: readonly number[] = [], id = 1) {
  const clock = new ManualClock();
  const cluster = new Cluster(voters, CONFIG, learners);
  const raw = cluster.node(id);
  const acts: number[] = [];
  let wakes = 0;
  let counted = 0;
  let stood = 0;
  const counting = {
    ...{ now: () => clock.now(), monotonic: () => clock.monotonic() + stood },
    after(ms: number, callback: () => void) {
      return clock.after(ms, () => {
        wakes++;
        callback();
      });
    },
    sleep: (ms: number) => clock.sleep(ms),
  };
  const ticks = new Ticks({
    ...{ clock: counting, raw },
    onTicks: (count) => {
      counted += count;
    },
    act: () => {
      acts.push(clock.monotonic());
      input(() => raw.tick());
    },
  });
  const input = (change: () => void) => {
    ticks.catchUp();
    change();
    cluster.settle();
    ticks.arm();
  };
  ticks.arm();
  /** Time passes, and nothing runs. */
  const stand = (ms: number) => {
    stood += ms;
  };
  return { clock, cluster, raw, acts, input, stand, wakes: () => wakes, counted: () => counted };
}

const heartbeat = (from: number, to: number, term: number) => message({ type: MsgType.MsgHeartbeat, from, to, term });

test('a follower that hears nothing campaigns when its patience ends, and is woken for nothing else', async () => {
  const { clock, raw, acts, wakes } = timed([1, 2, 3]);
  const patience = raw.raft.randomizedElectionTimeout * TICK;
  await clock.advance(patience - 1);
  expect([acts, wakes()]).toEqual([[], 0]);
  await clock.advance(1);
  expect([acts, wakes()]).toEqual([[patience], 1]);
});

test('a follower that hears of its leader is woken once in the time of its patience', async () => {
  const { clock, cluster, raw, acts, input, wakes, counted } = timed([1, 2, 3]);
  input(() => cluster.elect(2));
  for (let i = 0; i < 100; i++) {
    await clock.advance(2 * TICK);
    input(() => raw.step(heartbeat(2, 1, raw.raft.term)));
    expect(raw.raft.electionElapsed).toBe(0);
  }
  expect([acts, raw.raft.lead, counted()]).toEqual([[], 2, 200]);
  expect(wakes()).toBeLessThanOrEqual(20);
  // From the last word on, not from when it was last woken.
  const patience = raw.raft.randomizedElectionTimeout * TICK;
  const silent = clock.monotonic();
  await clock.advance(patience);
  expect(acts).toEqual([silent + patience]);
});

test('what was counted late counts as if it had been counted in time: who has heard of a leader refuses its vote', async () => {
  const { clock, cluster, raw, input } = timed([1, 2, 3]);
  input(() => cluster.elect(2));
  const vote = () =>
    message({ type: MsgType.MsgPreVote, from: 3, to: 1, term: raw.raft.term + 1, index: 99, logTerm: 99 });
  const answers: number[] = [];
  cluster.passes = ({ type, from }) => {
    if (from === 1 && type === MsgType.MsgPreVoteResp) answers.push(clock.monotonic());
    return false;
  };
  await clock.advance(9 * TICK);
  input(() => raw.step(vote()));
  expect(answers).toEqual([]);
  await clock.advance(TICK);
  input(() => raw.step(vote()));
  expect(answers).toEqual([10 * TICK]);
});

test('a process that has stood still reads what came meanwhile before it campaigns', async () => {
  const { clock, cluster, raw, acts, input, stand } = timed([1, 2, 3]);
  input(() => cluster.elect(2));
  const patience = raw.raft.randomizedElectionTimeout * TICK;
  stand(10 * patience);
  // The timer that is due by now.
  await clock.advance(patience);
  expect(acts).toEqual([]);
  input(() => raw.step(heartbeat(2, 1, raw.raft.term)));
  await clock.advance(patience - TICK);
  expect([acts, raw.raft.lead]).toEqual([[], 2]);
  await clock.advance(TICK);
  expect(acts.length).toBe(1);
});

test('a process that is late each time campaigns all the same', async () => {
  const { clock, cluster, raw, acts, input, stand } = timed([1, 2, 3]);
  input(() => cluster.elect(2));
  for (let i = 0; i < 100 && acts.length === 0; i++) {
    stand(2 * TICK);
    await clock.advance(TICK);
  }
  expect(acts.length).toBe(1);
  expect(raw.raft.lead).not.toBe(2);
});

test('a leader acts with each heartbeat, one that nobody follows never', async () => {
  const leader = timed([1, 2, 3]);
  leader.input(() => leader.cluster.elect(1));
  await leader.clock.advance(10 * TICK);
  expect(leader.acts).toEqual([2, 4, 6, 8, 10].map((n) => n * TICK));
  const alone = timed([1]);
  alone.input(() => alone.cluster.elect(1));
  // That of the follower that it was.
  await alone.clock.advance(20 * TICK);
  const before = alone.wakes();
  await alone.clock.advance(1000 * TICK);
  expect([alone.acts, alone.wakes() - before]).toEqual([[], 0]);
});

test('a learner is never woken, and knows for how long its leader has been silent', async () => {
  const { clock, cluster, raw, input, acts, wakes } = timed([1, 2], [3], 3);
  input(() => cluster.elect(1));
  await clock.advance(7 * TICK);
  expect([acts, wakes()]).toEqual([[], 0]);
  input(() => {});
  expect(raw.raft.electionElapsed).toBe(7);
});
