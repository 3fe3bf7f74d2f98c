import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { identify, isAlive, parseSignal, sendSignal } from './process.js';

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

describe('process', () => {
  it('is known until it has ended', async () => {
    const child = spawn('sleep', ['100']);
    const identity = identify(child.pid ?? 0);
    expect(identity && isAlive(identity)).toBe(true);
    expect(identity && isAlive({ ...identity, start: identity.start + 1 })).toBe(false);
    expect(identity && isAlive({ ...identity, boot: 'another' })).toBe(false);
    expect(identity && sendSignal(identity, 9)).toBe(true);
    await once(child, 'exit');
    expect(identity && isAlive(identity)).toBe(false);
    expect(identity && sendSignal(identity, 9)).toBe(false);
  });
});
