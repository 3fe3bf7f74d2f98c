import { expect, it } from 'vitest';
import { Callers } from './callers.js';

it('callers - are told of a start once, and of an end whoever waits for it', async () => {
  const callers = new Callers();
  const [first, second] = [callers.start(), callers.start()];
  expect(callers.wantStart).toBe(true);
  callers.started();
  callers.notStarted(new Error('too late'));
  await Promise.all([first, second]);
  expect(callers.wantStart).toBe(false);
  const ends = [callers.end(), callers.end(new AbortController().signal)];
  callers.ended({ code: 3, error: '' });
  callers.ended({ code: 4, error: '' });
  expect(await Promise.all(ends)).toEqual([
    { code: 3, error: '' },
    { code: 3, error: '' },
  ]);
});

it('callers - hear why it was not started', async () => {
  const callers = new Callers();
  const start = callers.start();
  callers.notStarted(new Error('no image'));
  await expect(start).rejects.toThrow('no image');
});

it('callers - that have gone wait no more', async () => {
  const callers = new Callers();
  const gone = new AbortController();
  const end = callers.end(gone.signal);
  gone.abort(new Error('gone'));
  await expect(end).rejects.toThrow('gone');
  await expect(callers.end(gone.signal)).rejects.toThrow('gone');
});
