import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { TargetDescription } from './cluster.js';
import { openTarget } from './kv.js';
import { type LoadFigures, type LoadOptions, load } from './load.js';

interface Job {
  readonly target: TargetDescription;
  readonly options: LoadOptions;
}

const self = fileURLToPath(import.meta.url);

/** As `load`, in a process of its own that does nothing else. */
export async function loadApart(target: TargetDescription, options: LoadOptions): Promise<LoadFigures> {
  const child = fork(self);
  const job: Job = { target, options };
  child.send(job);
  const ended = once(child, 'exit');
  const figures = await Promise.race([
    once(child, 'message').then(([message]) => message as LoadFigures),
    ended.then(([code]) => {
      throw new Error(`the clients' process has ended with ${code}`);
    }),
  ]);
  await ended;
  return figures;
}

async function serve(): Promise<void> {
  const [message] = await once(process, 'message');
  const job = message as Job;
  const target = openTarget(job.target);
  const figures = await load(target, job.options);
  await target.close();
  process.send?.(figures, () => process.disconnect());
}

if (process.argv[1] === self) await serve();
