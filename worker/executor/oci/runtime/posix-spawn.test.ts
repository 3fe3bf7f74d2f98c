import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../lib/clock.js';
import { posixSpawn, reap } from './posix-spawn.js';

async function run(script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { pid, output } = posixSpawn('/bin/sh', ['-c', script], env);
  let all = '';
  for await (const chunk of output.setEncoding('utf8')) all += chunk;
  await reap(pid, systemClock);
  expect(execFileSync('ps', ['-eo', 'pid,stat'], { encoding: 'utf8' })).not.toContain(`${pid} Z`);
  return all;
}

describe('posixSpawn', () => {
  it('gives arguments, environment, folder and both ends of the pipe', async () => {
    expect(await run('echo "$A $(pwd)" >&2; echo three >&3; echo one', { A: 'a b' })).toBe('a b /\nthree\n');
  });

  it('leaves signals and descriptors of node behind', async () => {
    const status = await run('cat /proc/self/status >&2');
    // Without the realtime signals: of those the C library keeps some to itself.
    const signals = (field: string) =>
      BigInt(`0x${new RegExp(`^${field}:\\s*(\\w+)`, 'm').exec(status)?.[1]}`) & 0x7fffffffn;
    expect([signals('SigBlk'), signals('SigIgn')]).toEqual([0n, 0n]);
    const own = openSync('/proc/self/stat', 'r');
    try {
      expect(await run('ls -l /proc/self/fd >&2')).not.toMatch(/-> \/proc\/\d+\/stat$/m);
    } finally {
      closeSync(own);
    }
  });

  it('tells of a missing program', () => {
    expect(() => posixSpawn('no-such-program', [], {})).toThrow('no-such-program is not installed');
  });
});
