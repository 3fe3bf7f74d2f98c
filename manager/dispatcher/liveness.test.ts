import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { Liveness } from './liveness.js';

function watch() {
  const clock = new ManualClock(0);
  const silent: string[] = [];
  const liveness = new Liveness(clock, (node) => silent.push(`${node} at ${clock.now()}`));
  return { clock, silent, liveness };
}

test('a node that is heard of in time is never silent', async () => {
  const { clock, silent, liveness } = watch();
  for (let i = 0; i < 10; i++) {
    liveness.heard('a', 300);
    await clock.advance(299);
  }
  expect(silent).toEqual([]);
  await clock.advance(1);
  expect(silent).toEqual(['a at 2991']);
  await clock.advance(10_000);
  expect(silent).toHaveLength(1);
});

test('a shorter grace takes effect at once', async () => {
  const { clock, silent, liveness } = watch();
  liveness.heard('a', 10_000);
  liveness.heard('a', 100);
  await clock.advance(100);
  expect(silent).toEqual(['a at 100']);
});

test.each([600_000, -600_000])(
  "the time for which a node is silent is not that by which the machine's clock is set: %i",
  async (step) => {
    const { clock, silent, liveness } = watch();
    liveness.heard('a', 300);
    await clock.advance(200);
    clock.set(clock.now() + step);
    await clock.advance(99);
    expect(silent).toEqual([]);
    await clock.advance(1);
    expect(silent).toHaveLength(1);
  },
);

test('a node that is forgotten is not waited for', async () => {
  const { clock, silent, liveness } = watch();
  liveness.heard('a', 100);
  liveness.forget('a');
  expect(liveness.watches('a')).toBe(false);
  await clock.advance(1_000);
  expect(silent).toEqual([]);
});

/** A connection over which a ping comes every 5 s, until it does not. */
function pinging(clock: ManualClock) {
  const connection = { bytes: 100, pings: true };
  const ping = () => {
    if (!connection.pings) return;
    connection.bytes += 17;
    clock.after(5_000, ping);
  };
  clock.after(5_000, ping);
  return { connection, pulse: () => connection.bytes };
}

test('a node over whose connection something comes is never silent, and is when nothing comes any more', async () => {
  const { clock, silent, liveness } = watch();
  const { connection, pulse } = pinging(clock);
  liveness.heard('a', 15_000, pulse);
  liveness.heard('b', 15_000);
  await clock.advance(60_000);
  expect(silent).toEqual(['b at 15000']);
  expect(liveness.watches('a')).toBe(true);
  connection.pings = false;
  // The last ping came at 60 s, and is seen at the look then or at the next.
  await clock.advance(12_499);
  expect(silent).toEqual(['b at 15000']);
  await clock.advance(2_501);
  expect(silent).toHaveLength(2);
});

test('what comes over a connection counts no more when its session has ended; what has come stands', async () => {
  const { clock, silent, liveness } = watch();
  const { pulse } = pinging(clock);
  liveness.heard('a', 15_000, pulse);
  await clock.advance(20_500);
  liveness.pulseEnded('a');
  await clock.advance(60_000);
  expect(silent).toHaveLength(1);
  const [at] = silent.map((line) => Number(line.split(' at ')[1]));
  expect(at).toBeGreaterThan(32_000);
  expect(at).toBeLessThanOrEqual(35_000);
});

test('a node is not taken for silent when this process itself has stood still', async () => {
  interface Timer {
    readonly at: number;
    readonly run: () => void;
  }
  let timers: Timer[] = [];
  let now = 0;
  const clock = {
    now: () => now,
    monotonic: () => now,
    after: (ms: number, run: () => void) => {
      const timer: Timer = { at: now + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    sleep: () => Promise.resolve(),
  };
  const silent: string[] = [];
  const liveness = new Liveness(clock, (node) => silent.push(node));
  const runDue = () => {
    const due = timers.filter(({ at }) => at <= now);
    timers = timers.filter(({ at }) => at > now);
    for (const { run } of due) run();
  };
  liveness.heard('waiting', 300);
  liveness.heard('gone', 300);
  now = 10_000;
  runDue();
  expect(silent).toEqual([]);
  // What had come meanwhile is read now.
  liveness.heard('waiting', 1_000);
  now = 10_500;
  runDue();
  expect(silent).toEqual(['gone']);
});
