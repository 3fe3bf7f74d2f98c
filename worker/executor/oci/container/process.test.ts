import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { identify, isAlive, sendSignal } from './process.js';

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
