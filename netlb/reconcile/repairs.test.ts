import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import type { Operation } from '../plan/operation.js';
import { desired } from '../plan/testing.js';
import { Repairs } from './repairs.js';

const operation: Operation = {
  kind: 'add-address',
  link: 'eth0',
  cidr: '10.0.1.5/24',
  subject: { kind: 'sandbox', id: 'task' },
  namespace: 'task',
};

describe('repairs', () => {
  test('what a new state asks for - is none', () => {
    const repairs = new Repairs(new ManualClock());
    expect(repairs.note(desired, [operation], true)).toEqual([]);
    expect(repairs.note({ ...desired }, [operation], true)).toEqual([]);
    expect(repairs.recent).toEqual([]);
  });

  test('what differs from a state that had been made - is one, with its time', () => {
    const clock = new ManualClock();
    const repairs = new Repairs(clock);
    repairs.note(desired, [operation], true);
    const message = 'the address 10.0.1.5/24 of eth0 was missing (in task)';
    expect(repairs.note(desired, [operation], true)).toEqual([
      { subject: operation.subject, message, at: clock.now() },
    ]);
    expect(repairs.recent).toHaveLength(1);
  });

  test('what an earlier pass left undone - is none', () => {
    const repairs = new Repairs(new ManualClock());
    repairs.note(desired, [], false);
    expect(repairs.note(desired, [operation], true)).toEqual([]);
    expect(repairs.note(desired, [operation], true)).toHaveLength(1);
  });

  test('the list - keeps the newest', () => {
    const repairs = new Repairs(new ManualClock());
    repairs.note(desired, [], true);
    for (let i = 0; i < 300; i++) repairs.note(desired, [{ ...operation, cidr: `10.0.1.${i}/24` }], true);
    expect(repairs.recent).toHaveLength(200);
    expect(repairs.recent.at(-1)?.message).toContain('10.0.1.299/24');
  });
});
