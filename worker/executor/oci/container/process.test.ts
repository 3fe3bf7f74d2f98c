import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { identify, isAlive, killGroup, sendSignal } from './process.js';

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

  it('is killed with its group, when it leads one', async () => {
    const child = spawn('sh', ['-c', 'sleep 100 & echo $!; wait'], { detached: true });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [leader, other] = [identify(child.pid ?? 0), identify(Number(line))];
    if (!leader || !other) throw new Error('they have ended');
    killGroup(leader);
    await once(child, 'exit');
    await expect.poll(() => isAlive(other)).toBe(false);
    killGroup(leader);
  });
});
