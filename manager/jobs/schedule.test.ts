import { describe, expect, test } from 'vitest';
import { Schedule } from '../../proto/gen/index.js';
import { checkSchedule, lastTime, nextTime, overlapOf, windowOf } from './schedule.js';

const schedule = (cron: string, timeZone = '', fields: Partial<Schedule> = {}) =>
  Schedule.create({ cron, timeZone, ...fields });
const at = (text: string): number => Date.parse(text);

function times(given: Schedule, after: string, count: number): string[] {
  const found: string[] = [];
  for (let time = at(after); found.length < count; ) {
    time = nextTime(given, time);
    found.push(new Date(time).toISOString());
  }
  return found;
}

describe('checkSchedule', () => {
  test.each([
    ['*/5 * * * *'],
    ['*/10 * * * * *'],
    ['0 2 * * MON-FRI'],
    ['30 2,14 1 JAN 7'],
    ['  0   0 L * *  '],
    ['0 0 29 2 *'],
    ['@daily'],
  ])('%j is a schedule', (cron) => {
    checkSchedule(schedule(cron, 'Europe/Berlin', { overlap: 'allow', missedRunWindow: 5e9 }));
  });

  test.each([
    [schedule('* * * *'), '"* * * *" is not a schedule: it has 4 of the 5 or 6 fields'],
    [schedule('* * * * * * *'), 'it has 7 of the 5 or 6 fields'],
    [schedule('61 * * * *'), '"61 * * * *" is not a schedule: Invalid value for minute: 61'],
    [schedule('*/0 * * * *'), 'illegal stepping: 0'],
    [schedule('2030-01-01T00:00:00'), 'it has 1 of the 5 or 6 fields'],
    [schedule('? * * * *'), '"?" means no time, write "*" for any'],
    [schedule('@reboot'), '@reboot is not supported'],
    [schedule('@every 5m'), '"@every 5m" is not a schedule'],
    [schedule('0 0 31 2 *'), 'the times of the schedule "0 0 31 2 *" never come'],
    [schedule('* * * * *', 'Berlin'), 'there is no time zone "Berlin"'],
    [schedule('* * * * *', '', { overlap: 'queue' }), '"queue" is no way in which runs of a job overlap'],
    [schedule('* * * * *', '', { missedRunWindow: 4.9e9 }), 'a missed-run window of 4900 ms is too short'],
  ])('%#: %j is refused', (refused, words) => {
    expect(() => checkSchedule(refused)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => checkSchedule(refused)).toThrow(words);
  });

  test('says what would be right', () => {
    const hint = (text: string) => expect.objectContaining({ hint: expect.stringContaining(text) });
    expect(() => checkSchedule(schedule('x'))).toThrow(hint('five fields, as in "*/5 * * * *"'));
    expect(() => checkSchedule(schedule('* * * * *', 'new york'))).toThrow(hint('America/New_York'));
    expect(() => checkSchedule(schedule('* * * * *', 'nowhere'))).toThrow(hint('as UTC or Europe/Berlin'));
  });

  test('what is left open has defaults', () => {
    expect([overlapOf(schedule('@daily')), windowOf(schedule('@daily'))]).toEqual(['skip', 600_000]);
    const given = schedule('@daily', '', { overlap: 'replace', missedRunWindow: 60e9 });
    expect([overlapOf(given), windowOf(given)]).toEqual(['replace', 60_000]);
  });
});

describe('nextTime', () => {
  test('is strictly after the time that is given, and in UTC unless said otherwise', () => {
    expect(times(schedule('0 2 * * *'), '2026-01-01T02:00:00Z', 1)).toEqual(['2026-01-02T02:00:00.000Z']);
    expect(times(schedule('0 2 * * *', 'Europe/Berlin'), '2026-01-01T00:59:59.999Z', 1)).toEqual([
      '2026-01-01T01:00:00.000Z',
    ]);
    expect(times(schedule('*/20 * * * * *'), '2026-01-01T00:00:30.500Z', 2)).toEqual([
      '2026-01-01T00:00:40.000Z',
      '2026-01-01T00:01:00.000Z',
    ]);
  });

  test('in the hour that daylight saving skips, fixed times come at its end, others not', () => {
    const from = '2026-03-28T12:00:00Z';
    expect(times(schedule('30 2 * * *', 'Europe/Berlin'), from, 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(times(schedule('*/30 2 * * *', 'Europe/Berlin'), from, 1)).toEqual(['2026-03-30T00:00:00.000Z']);
    expect(times(schedule('0 * * * *', 'Europe/Berlin'), '2026-03-29T00:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-29T02:00:00.000Z',
    ]);
  });

  test('in the hour that daylight saving repeats, fixed times come once, others again', () => {
    const from = '2026-10-24T12:00:00Z';
    expect(times(schedule('30 2 * * *', 'Europe/Berlin'), from, 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
    expect(times(schedule('30 2,14 * * *', 'Europe/Berlin'), from, 3)).toEqual([
      '2026-10-24T12:30:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T13:30:00.000Z',
    ]);
    expect(times(schedule('*/30 2 * * *', 'Europe/Berlin'), from, 4)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T01:30:00.000Z',
    ]);
  });
});

describe('lastTime', () => {
  test.each([
    ['*/5 * * * *', 'UTC', '2026-01-01T00:00:00Z', '2026-01-01T07:03:00Z', '2026-01-01T07:00:00Z'],
    ['*/5 * * * *', 'UTC', '2026-01-01T00:05:00Z', '2026-01-01T00:05:00Z', '2026-01-01T00:05:00Z'],
    ['*/5 * * * *', 'UTC', '2026-01-01T00:05:00Z', '2026-01-01T00:09:59Z', '2026-01-01T00:05:00Z'],
    ['30 2 * * *', 'Europe/Berlin', '2026-03-28T01:30:00Z', '2026-03-29T01:00:00Z', '2026-03-29T01:00:00Z'],
    ['30 2 * * *', 'Europe/Berlin', '2026-10-24T00:30:00Z', '2026-10-25T01:40:00Z', '2026-10-25T00:30:00Z'],
  ])('of %s in %s since %s, at %s: %s', (cron, zone, first, now, expected) => {
    expect(lastTime(schedule(cron, zone), at(first), at(now))).toBe(at(expected));
  });

  test('goes back over the times that nextTime gives, through both changes of daylight saving', () => {
    for (const cron of ['*/30 * * * *', '30 2 * * *', '15 1-3 * * *', '0 */2 * * *', '45 * * * SUN']) {
      const given = schedule(cron, 'Europe/Berlin');
      for (const day of ['2026-03-28T12:00:00Z', '2026-10-24T12:00:00Z']) {
        const end = at(day) + 48 * 3_600_000;
        for (let time = nextTime(given, at(day)); time < end; ) {
          const next = nextTime(given, time);
          expect(new Date(lastTime(given, at(day), time))).toEqual(new Date(time));
          expect(new Date(lastTime(given, at(day), next - 1))).toEqual(new Date(time));
          time = next;
        }
      }
    }
  });
});
