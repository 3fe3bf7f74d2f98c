import { describe, expect, test } from 'vitest';
import { NetworkKeyRing } from '../../proto/gen/index.js';
import { KEY_LINGER, KEY_PATIENCE, KEY_PERIOD, nextLook, nextRing, type RingNews, retireAll } from './ring.js';

const news = (now: number, more: Partial<RingNews> = {}): RingNews => ({
  now,
  behind: [],
  forced: false,
  newKey: () => Buffer.from(`key of ${now}`),
  ...more,
});
const follow = (ring: NetworkKeyRing, next: RingNews): NetworkKeyRing => nextRing(ring, next) ?? ring;
const shape = ({ clock, keys, sending }: NetworkKeyRing) => ({ clock, keys: keys.map(({ time }) => time), sending });

const first = follow(NetworkKeyRing.create(), news(0));

describe('nextRing', () => {
  test('the first key is sent under at once: nobody has an older one', () => {
    expect(shape(first)).toEqual({ clock: 1, keys: [1], sending: 1 });
    expect(first.keys[0]?.key).toEqual(Buffer.from('key of 0'));
  });

  test('a key is known to all before anyone sends under it, and for a period after', () => {
    const second = follow(first, news(KEY_PERIOD));
    expect(shape(second)).toEqual({ clock: 2, keys: [1, 2], sending: 1 });
    expect(nextRing(second, news(KEY_PERIOD + 1, { behind: ['node1'] }))).toBeUndefined();
    const third = follow(second, news(KEY_PERIOD + 1));
    expect(shape(third)).toEqual({ clock: 3, keys: [1, 2], sending: 2 });
    const fourth = follow(third, news(2 * KEY_PERIOD));
    expect(shape(fourth)).toEqual({ clock: 4, keys: [1, 2, 3], sending: 2 });
    expect(shape(follow(fourth, news(2 * KEY_PERIOD)))).toEqual({ clock: 5, keys: [2, 3], sending: 3 });
  });

  test('what nodes a step apart send under, both have', () => {
    let [before, after] = [first, first];
    for (let now = 0; now < 9 * KEY_PERIOD; now += KEY_PERIOD / 2) {
      [before, after] = [after, follow(after, news(now))];
      expect(before.keys.map(({ time }) => time)).toContain(after.sending);
      expect(after.keys.map(({ time }) => time)).toContain(before.sending);
      expect(after.keys.length).toBeLessThanOrEqual(3);
    }
    expect(after.sending).toBeGreaterThan(7);
  });

  test('a node that does not answer is waited for only so long', () => {
    const second = follow(first, news(KEY_PERIOD));
    const late = KEY_PERIOD + KEY_PATIENCE;
    expect(nextLook(second, KEY_PERIOD)).toBe(late);
    expect(nextRing(second, news(late - 1, { behind: ['node1'] }))).toBeUndefined();
    expect(nextRing(second, news(late, { behind: ['node1'] }))?.sending).toBe(2);
  });

  test('retired keys go when nobody sends under them any more, and what was sent has come', () => {
    const second = follow(retireAll(first), news(5));
    expect(shape(second)).toEqual({ clock: 2, keys: [1, 2], sending: 1 });
    const third = follow(second, news(6));
    expect(shape(third)).toEqual({ clock: 3, keys: [1, 2], sending: 2 });
    expect(nextRing(third, news(5 + KEY_LINGER))).toBeUndefined();
    expect(nextLook(third, 6)).toBe(6 + KEY_LINGER);
    expect(nextRing(third, news(6 + KEY_LINGER, { behind: ['node1'] }))).toBeUndefined();
    expect(nextLook(third, 6 + KEY_LINGER)).toBe(6 + KEY_PATIENCE);
    expect(nextRing(third, news(6 + KEY_PATIENCE, { behind: ['node1'] }))?.keys).toHaveLength(1);
    const fourth = follow(third, news(6 + KEY_LINGER));
    expect(shape(fourth)).toEqual({ clock: 4, keys: [2], sending: 2 });
    expect(nextRing(fourth, news(7 + KEY_LINGER))).toBeUndefined();
    expect(nextLook(fourth, 7 + KEY_LINGER)).toBe(5 + KEY_PERIOD);
  });

  test('of keys that are retired while nodes are told the newest, none stays', () => {
    let ring = retireAll(follow(first, news(KEY_PERIOD)));
    const seen = [];
    for (let now = KEY_PERIOD; ring.keys.some(({ time }) => time <= 2); now += KEY_LINGER) {
      ring = follow(ring, news(now));
      seen.push(shape(ring));
    }
    expect(seen).toEqual([
      { clock: 3, keys: [1, 2], sending: 2 },
      { clock: 4, keys: [1, 2, 3], sending: 2 },
      { clock: 5, keys: [2, 3], sending: 3 },
      { clock: 6, keys: [3], sending: 3 },
    ]);
  });

  test('nothing happens before its time, unless it must', () => {
    expect(nextLook(first, 0)).toBe(KEY_PERIOD);
    expect(nextRing(first, news(KEY_PERIOD - 1))).toBeUndefined();
    expect(shape(follow(first, news(5, { forced: true })))).toEqual({ clock: 2, keys: [1, 2], sending: 1 });
  });
});
