import { describe, expect, it } from 'vitest';
import { deferred } from '../../../../lib/async.js';
import { SharedWork } from './shared-work.js';

describe('shared work', () => {
  it('is done once for all who ask', async () => {
    const shared = new SharedWork<number>();
    const gate = deferred<number>();
    let runs = 0;
    const work = () => {
      runs++;
      return gate.promise;
    };
    const signal = new AbortController().signal;
    const both = [shared.run('k', signal, work), shared.run('k', signal, work)];
    gate.resolve(1);
    expect(await Promise.all(both)).toEqual([1, 1]);
    expect(runs).toBe(1);
    expect(await shared.run('k', signal, async () => 2)).toBe(2);
  });

  it('is aborted when the last one has gone', async () => {
    const shared = new SharedWork<number>();
    const [a, b] = [new AbortController(), new AbortController()];
    let inner: AbortSignal | undefined;
    const work = (signal: AbortSignal) => {
      inner = signal;
      return new Promise<number>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    };
    const first = shared.run('k', a.signal, work);
    const second = shared.run('k', b.signal, work);
    a.abort(new Error('a left'));
    await expect(first).rejects.toThrow('a left');
    expect(inner?.aborted).toBe(false);
    b.abort(new Error('b left'));
    await expect(second).rejects.toThrow('b left');
    expect(inner?.aborted).toBe(true);
    expect(await shared.run('k', new AbortController().signal, async () => 3)).toBe(3);
  });
});
