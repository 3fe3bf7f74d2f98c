import { describe, expect, it } from 'vitest';
import { logAttributes, logSettings } from './log-drivers.js';

const MB = 2 ** 20;

describe('log driver', () => {
  it.each([
    ['', {}, { driver: 'json-file', maxBytes: 10 * MB, maxFiles: 3 }],
    ['json-file', { 'max-size': '1m', 'max-file': '7' }, { driver: 'json-file', maxBytes: MB, maxFiles: 7 }],
    ['local', { labels: 'a' }, { driver: 'local', maxBytes: 20 * MB, maxFiles: 5 }],
    ['none', {}, { driver: 'none', maxBytes: 0, maxFiles: 0 }],
  ])('"%s" with %j', (name, options, settings) => {
    expect(logSettings(name, options as Record<string, string>)).toEqual(settings);
  });

  it.each([
    ['syslog', {}, 'there is no log driver "syslog"'],
    ['json-file', { compress: 'true' }, "unknown log opt 'compress' for json-file log driver"],
    ['none', { 'max-size': '1m' }, "unknown log opt 'max-size' for none log driver"],
    ['json-file', { 'max-size': '0' }, 'invalid value for max-size: 0'],
    ['json-file', { 'max-size': 'big' }, '"big" is not a size'],
    ['local', { 'max-file': '0' }, 'invalid value for max-file: 0'],
  ])('"%s" with %j is refused', (name, options, message) => {
    expect(() => logSettings(name, options as unknown as Record<string, string>)).toThrow(message);
  });
});

it('details are the labels and variables that options name', () => {
  const options = { labels: 'tier,none', env: 'MODE,HOME' };
  expect(logAttributes(options, { tier: 'db', other: 'x' }, ['MODE=a=b', 'X=1'])).toBe('tier=db,MODE=a=b');
  expect(logAttributes({}, { tier: 'db' }, ['MODE=a'])).toBe('');
});
