import { run } from '../cli/run.js';
import { testIo } from '../cli/testing.js';
import { type Outcome, processOutcome } from '../demo/cli.js';
import { systemClock } from '../lib/clock.js';

/**
 * Runs `tsswarm ARGS` to its end in this process: all of a command but the start of a program, which takes more
 * of a processor than most commands do. Nothing comes from standard input.
 */
export async function runInProcess(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome> {
  // The program that it runs has this process's own terminal and output.
  if (args[0] === 'lab' && args[1] === 'exec') return processOutcome(args, env);
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  const io = testIo({
    env: { ...process.env, ...env },
    clock: systemClock,
    out: (text) => void out.push(Buffer.from(text)),
    err: (text) => void err.push(Buffer.from(text)),
  });
  const code = await run(args, io);
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}
