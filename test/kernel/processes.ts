import { execFileSync } from 'node:child_process';

/** Whether a process runs, by ps(1). One that its parent has not reaped yet has ended: who adopts it may be slow. */
export function runs(pid: number): boolean {
  const states = execFileSync('ps', ['-eo', 'pid=,stat='], { encoding: 'utf8' });
  return new RegExp(`^ *${pid} +[^Z\\s]`, 'm').test(states);
}
