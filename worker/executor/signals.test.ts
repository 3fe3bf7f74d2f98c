import { describe, expect, it } from 'vitest';
import { parseSignal } from './signals.js';

describe('signal', () => {
  it.each([
    ['SIGTERM', 15],
    ['term', 15],
    ['9', 9],
    ['SIGRTMIN+3', 37],
    ['RTMAX', 64],
  ])('%s', (text, number) => {
    expect(parseSignal(text)).toBe(number);
  });

  it.each(['', '0', '65', 'SIGNOPE', '-1', 'RTMAX+1'])('refuses "%s"', (text) => {
    expect(() => parseSignal(text)).toThrow(`invalid signal: ${text}`);
  });
});
