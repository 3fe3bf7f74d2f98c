import { describe, expect, it } from 'vitest';
import { AsyncQueue, allDone, deferred, Serial, takeUntil } from './async.js';
import { Backoff } from './backoff.js';
import { ManualClock } from './clock.js';
import { base36, isId, newId } from './ids.js';

describe('allDone', () => {
  it('waits for all, whichever fails first', async () => {
    const last = deferred<number>();
    let over = false;
    const all = allDone([Promise.resolve(1), Promise.reject(new Error('second')), last.promise]).finally(() => {
      over = true;
    });
    const failure = expect(all).rejects.toThrow('second');
    await new Promise((resolve) => setImmediate(resolve));
    expect(over).toBe(false);
    last.resolve(3);
    await failure;
    expect(await allDone([Promise.resolve(1), last.promise])).toEqual([1, 3]);
  });
});

describe('takeUntil', () => {
  it('gives what the source gives, to its end or failure', async () => {
    const source = new AsyncQueue<number>();
    source.push(1, 2);
    source.fail(new Error('disk'));
    const taken = takeUntil(source[Symbol.asyncIterator](), new AbortController().signal);
    expect([(await taken.next()).value, (await taken.next()).value]).toEqual([1, 2]);
    await expect(taken.next()).rejects.toThrow('disk');
  });

  it('ends while the source is silent', async () => {
    const source = new AsyncQueue<number>();
    const end = new AbortController();
    const taken = takeUntil(source[Symbol.asyncIterator](), end.signal);
    const next = taken.next();
    end.abort();
    expect((await next).done).toBe(true);
    source.fail(new Error('nobody hears of it'));
  });
});

describe('Serial', () => {
  it('keeps the order of the calls and goes on after a failure', async () => {
    const serial = new Serial();
    const order: number[] = [];
    const first = serial.run(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      order.push(1);
    });
    const second = serial.run(() => {
      order.push(2);
      throw new Error('second');
    });
    const third = serial.run(() => order.push(3));
    await expect(second).rejects.toThrow('second');
    await Promise.all([first, third]);
    expect(order).toEqual([1, 2, 3]);
  });
});

describe('AsyncQueue', () => {
  it('gives what was queued before its end', async () => {
    const queue = new AsyncQueue<number>();
    queue.push(1, 2);
    queue.end();
    queue.push(3);
    const seen: number[] = [];
    for await (const item of queue) seen.push(item);
    expect(seen).toEqual([1, 2]);
  });

  it('wakes a waiting reader and then throws what it was failed with', async () => {
    const queue = new AsyncQueue<number>();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of queue) seen.push(item);
    })();
    queue.push(1);
    queue.fail(new Error('gone'));
    await expect(reading).rejects.toThrow('gone');
    expect(seen).toEqual([1]);
  });
});

describe('ManualClock', () => {
  it('runs timers in the order of their times, those set on the way too', async () => {
    const clock = new ManualClock(0);
    const seen: string[] = [];
    clock.after(20, () => seen.push(`b@${clock.now()}`));
    clock.after(10, () => {
      seen.push(`a@${clock.now()}`);
      clock.after(5, () => seen.push(`c@${clock.now()}`));
    });
    const cancel = clock.after(12, () => seen.push('cancelled'));
    cancel();
    await clock.advance(100);
    expect(seen).toEqual(['a@10', 'c@15', 'b@20']);
    expect(clock.now()).toBe(100);
  });

  it('rejects a sleep whose signal aborts', async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const sleeping = clock.sleep(1000, controller.signal);
    controller.abort(new Error('stop'));
    await expect(sleeping).rejects.toThrow('stop');
  });
});

describe('Backoff', () => {
  it('doubles up to its maximum and starts again after a reset', () => {
    const backoff = new Backoff({ initial: 100, max: 500, jitter: 0 });
    expect([backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([100, 200, 400, 500]);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });
});

describe('ids', () => {
  it('are 25 characters of base36, whatever the random bytes', () => {
    expect(isId(newId())).toBe(true);
    expect(newId(() => new Uint8Array(17))).toBe('0'.repeat(25));
    expect(base36(Uint8Array.of(0, 35), 3)).toBe('00z');
  });
});
