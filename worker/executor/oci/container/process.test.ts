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

  it.each([
    ['it leads', 'sleep 100 & echo $$ $!; wait'],
    // What has made it has ended, as a runtime that was asked for another process in a container.
    ['is its own', '(sleep 100 & echo $BASHPID $!; wait) &'],
  ])('is killed with the group that %s', async (_name, script) => {
    const child = spawn('bash', ['-c', script], { detached: true });
    const exited = once(child, 'exit');
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [first, other] = String(line)
      .split(' ')
      .map((pid) => identify(Number(pid)));
    if (!first || !other) throw new Error('they have ended');
    if (first.pid !== child.pid) await exited;
    killGroup(first);
    await expect.poll(() => [isAlive(first), isAlive(other)]).toEqual([false, false]);
    killGroup(first);
  });

  it('is killed alone in the group of another', async () => {
    const child = spawn('bash', ['-c', 'sleep 100 & echo $!; wait; exec sleep 100'], { detached: true });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const [leader, member] = [identify(child.pid ?? 0), identify(Number(line))];
    if (!leader || !member) throw new Error('they have ended');
    killGroup(member);
    await expect.poll(() => isAlive(member)).toBe(false);
    expect(isAlive(leader)).toBe(true);
    killGroup(leader);
    await once(child, 'exit');
  });
});
