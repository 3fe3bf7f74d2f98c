import { describe, expect, test } from 'vitest';
import { checkLinearizable } from './check.js';
import { type RegisterOperation, register } from './register.js';
import { cas, read, write } from './testing.js';

const check = (...history: RegisterOperation[]) => checkLinearizable(register, history);

const accepted: Readonly<Record<string, RegisterOperation[]>> = {
  'an empty history': [],
  'a read of the initial value': [read(1, null, 0, 1)],
  'a read after a write': [write(1, 'a', 0, 1), read(2, 'a', 2, 3)],
  'a read of the old value during a write': [write(1, 'a', 0, 1), write(1, 'b', 2, 5), read(2, 'a', 3, 4)],
  'a read of the new value during a write': [write(1, 'a', 0, 1), write(1, 'b', 2, 5), read(2, 'b', 3, 4)],
  'the old value, then the new one, during a write': [
    write(1, 'a', 0, 1),
    write(1, 'b', 2, 9),
    read(2, 'a', 3, 4),
    read(3, 'b', 5, 6),
  ],
  'a read that returns when the write is invoked': [read(1, 'a', 0, 5), write(2, 'a', 5, 6)],
  'concurrent writes in either order': [write(1, 'a', 0, 9), write(2, 'b', 0, 9), read(3, 'b', 10, 11)],
  'a write without an answer that is never seen': [write(1, 'a', 0, 1), write(2, 'b', 2), read(1, 'a', 3, 4)],
  'a write without an answer that is seen': [write(1, 'a', 0, 1), write(2, 'b', 2), read(1, 'b', 3, 4)],
  'a write without an answer that takes effect late': [
    write(2, 'b', 0),
    write(1, 'a', 1, 2),
    read(1, 'a', 3, 4),
    read(1, 'b', 5, 6),
  ],
  'a read without an answer': [write(1, 'a', 0, 1), read(2, 'z', 2)],
  'a cas from the value that is there': [write(1, 'a', 0, 1), cas(2, 'a', 'b', 'ok', 2, 3), read(1, 'b', 4, 5)],
  'a cas refused for another value': [write(1, 'a', 0, 1), cas(2, 'b', 'c', 'refused', 2, 3), read(1, 'a', 4, 5)],
  'a cas refused by a concurrent one': [
    write(1, 'a', 0, 1),
    cas(2, 'a', 'b', 'ok', 2, 9),
    cas(3, 'a', 'c', 'refused', 3, 4),
    read(1, 'b', 10, 11),
  ],
  'a cas refused because of a write without an answer that nobody sees': [
    write(1, 'a', 0, 1),
    write(2, 'b', 2),
    cas(3, 'a', 'c', 'refused', 3, 4),
    write(1, 'd', 5, 6),
  ],
  'a chain of cas without answers': [
    write(1, 'a', 0, 1),
    cas(2, 'a', 'b', 'ok', 2),
    cas(3, 'b', 'c', 'ok', 3),
    read(1, 'c', 4, 5),
  ],
  'a history that is not in the order of time': [read(2, 'a', 2, 3), write(1, 'a', 0, 1)],
};

const refused: Readonly<Record<string, RegisterOperation[]>> = {
  'a stale read after a later write returned': [write(1, 'a', 0, 1), write(1, 'b', 2, 3), read(2, 'a', 4, 5)],
  'an acknowledged write that is lost': [write(1, 'a', 0, 1), read(1, null, 2, 3)],
  'a read of a value never written': [write(1, 'a', 0, 1), read(2, 'z', 2, 3)],
  'a read of a value before it is written': [read(2, 'a', 0, 1), write(1, 'a', 2, 3)],
  'a read of a value before its write without an answer': [read(2, 'a', 0, 1), write(1, 'a', 2)],
  'two cas that succeed from the same value': [
    write(1, 'a', 0, 1),
    cas(2, 'a', 'b', 'ok', 2, 9),
    cas(3, 'a', 'c', 'ok', 2, 9),
  ],
  'a cas from a value that is not there': [write(1, 'a', 0, 1), cas(2, 'b', 'c', 'ok', 2, 3)],
  'a cas refused though its value is there': [write(1, 'a', 0, 1), cas(2, 'a', 'b', 'refused', 2, 3)],
  'a cas refused with an effect': [
    write(1, 'a', 0, 1),
    write(1, 'x', 2, 3),
    cas(2, 'a', 'b', 'refused', 4, 5),
    read(1, 'b', 6, 7),
  ],
  'two clients that see a write begin and end': [
    write(1, 'a', 0, 1),
    write(1, 'b', 2, 20),
    read(2, 'b', 3, 4),
    read(3, 'a', 5, 6),
  ],
  'concurrent writes in both orders': [
    write(1, 'a', 0, 9),
    write(2, 'b', 0, 9),
    read(3, 'a', 10, 11),
    read(4, 'b', 12, 13),
  ],
  'a write without an answer that is seen and then is not': [
    write(1, 'a', 0, 1),
    write(2, 'b', 2),
    read(1, 'b', 3, 4),
    read(3, 'a', 5, 6),
  ],
  'a write without an answer that takes effect twice': [
    write(2, 'b', 0),
    read(1, 'b', 1, 2),
    write(1, 'a', 3, 4),
    read(1, 'b', 5, 6),
  ],
  'a cas without an answer that takes effect from a value replaced before': [
    write(1, 'a', 0, 1),
    write(1, 'b', 2, 3),
    cas(2, 'a', 'c', 'ok', 4),
    read(1, 'c', 5, 6),
  ],
  'a cas refused because of a write that nobody could see': [
    write(1, 'a', 0, 1),
    write(2, 'b', 2),
    cas(3, 'a', 'c', 'refused', 3, 4),
    read(1, 'a', 5, 6),
  ],
};

describe('checkLinearizable', () => {
  test.each(Object.entries(accepted))('accepts - %s', (_, history) => {
    expect(check(...history)).toEqual({ ok: true });
  });

  test.each(Object.entries(refused))('refuses - %s', (_, history) => {
    expect(check(...history)).toMatchObject({ ok: false, key: 'k' });
  });

  test('keys - are independent of each other', () => {
    const other = (operation: RegisterOperation) => ({ ...operation, key: 'other' });
    expect(check(write(1, 'a', 0, 1), other(write(1, 'b', 2, 3)), read(2, 'a', 4, 5))).toEqual({ ok: true });
    expect(check(write(1, 'a', 0, 1), other(read(2, 'a', 4, 5)))).toMatchObject({ ok: false, key: 'other' });
  });

  test('explanation - shows the operations that contradict each other, and no others', () => {
    const noise = Array.from({ length: 50 }, (_, i) => [
      write(1, `n${i}`, i * 10, i * 10 + 4),
      read(2, `n${i}`, i * 10 + 5, i * 10 + 6),
    ]).flat();
    const stale = [write(1, 'a', 501, 502), write(3, 'b', 503), read(2, 'b', 504, 506), read(4, 'a', 507, 509)];
    const verdict = check(...noise, ...stale, write(1, 'z', 510, 511));
    expect(verdict).toMatchObject({ ok: false, window: stale });
    expect(verdict.ok ? '' : verdict.explanation).toBe(
      [
        'k: no order of these operations, 4 of 105, explains their answers:',
        '  [501 .. 502]  client 1  write(a) → ok',
        '  [503 ..    ]  client 3  write(b) → ?',
        '  [504 .. 506]  client 2  read() → b',
        '  [507 .. 509]  client 4  read() → a   <- has no place',
        '  what had returned before left the state at b',
      ].join('\n'),
    );
  });

  test('operations - must return after their invocation, and with an answer', () => {
    expect(() => check(write(1, 'a', 2, 1))).toThrow('invoked at 2 returned at 1');
    expect(() => check({ ...write(1, 'a', 2), returned: 3 })).toThrow(RangeError);
    expect(() => check({ ...write(1, 'a', 2, 3), returned: Number.POSITIVE_INFINITY })).toThrow(RangeError);
  });
});
