import { deferred } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { Limiter } from '../../lib/limiter.js';
import type { HealthCheckResult } from '../../proto/gen/index.js';
import type { InteractiveExecutor, ProcessStreams } from '../executor/interactive.js';

/** Bytes of output that are kept of a check, as docker keeps them. */
const MOST_OUTPUT = 4096;
/** Of a check that did not come to an exit code of its own. */
export const NO_EXIT_CODE = -1;

export interface CheckContext {
  readonly exec: InteractiveExecutor['exec'];
  /** Starts are what checks cost: only so many at a time. */
  readonly starts: Limiter;
  readonly clock: Clock;
}

export interface FinishedCheck {
  readonly result: HealthCheckResult;
  /** Resolves when its process has ended: with one that was over its time that may be later than the result. */
  readonly gone: Promise<void>;
}

interface End {
  readonly exitCode: number;
  readonly output: string;
}

/**
 * Runs one check in a container. Whatever goes wrong is a result; so is that it takes longer than `timeout` (ms), of
 * which it is killed.
 */
export async function runCheck(
  id: string,
  command: readonly string[],
  timeout: number,
  { exec, starts, clock }: CheckContext,
): Promise<FinishedCheck> {
  const overTime = deferred<undefined>();
  const { startedAt, cancel, ending } = await starts.run(async () => {
    const startedAt = clock.now();
    const cancel = clock.after(timeout, () => overTime.resolve(undefined));
    const streams = exec(id, {
      ...{ command, tty: false, stdin: false, env: [], user: '', dir: '', privileged: false, rows: 0, columns: 0 },
      timeoutMs: timeout,
    });
    const ending = follow(streams);
    // One that cannot come to its start is not to keep others from theirs.
    await Promise.race([streams.then(undefined, () => undefined), overTime.promise]);
    return { startedAt, cancel, ending };
  });
  const end = (await Promise.race([ending, overTime.promise])) ?? {
    exitCode: NO_EXIT_CODE,
    output: `Health check exceeded timeout (${timeout / 1000}s)`,
  };
  cancel();
  return { result: { startedAt, endedAt: clock.now(), ...end }, gone: ending.then(() => undefined) };
}

async function follow(starting: Promise<ProcessStreams>): Promise<End> {
  try {
    const streams = await starting;
    const [{ code, error }, output] = await Promise.all([streams.exit, beginningOf(streams.output)]);
    return { exitCode: code, output: error || output };
  } catch (error) {
    return { exitCode: NO_EXIT_CODE, output: messageOf(error) };
  }
}

/** Reads it to its end: what is not taken would hold the process up. */
async function beginningOf(output: ProcessStreams['output']): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const { data } of output) {
    const part = data.subarray(0, MOST_OUTPUT - size);
    size += part.length;
    if (part.length > 0) parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
