/**
 * A process that opens an executor, to be killed by its test. Each line on standard input is a list
 * of containers' settings to prepare and start (or to create alone), with a command to run in the last of them; each
 * is answered by the states of all containers.
 * Arguments: folder, cgroup parent.
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import { OciExecutor, OciImageStore } from '../../worker/executor/oci/index.js';
import { Volumes } from '../../worker/volumes/volumes.js';
import { foldersIn } from './executor-folders.js';

export interface HostRequest {
  readonly containers: readonly ContainerSettings[];
  readonly command: readonly string[];
  readonly only?: 'create';
}

const [folder = '', cgroupParent = ''] = process.argv.slice(2);
const { dataRoot, runRoot, images: root } = foldersIn(folder);
const images = await OciImageStore.open({ root, log: silentLogger });
const tools = { log: silentLogger, clock: systemClock };
const volumes = await Volumes.open({ root: join(folder, 'volumes'), ...tools });
const executor = await OciExecutor.open({ dataRoot, runRoot, images, volumes, cgroupParent, ...tools });
const signal = new AbortController().signal;
for await (const line of createInterface({ input: process.stdin })) {
  const { containers: all, command, only } = JSON.parse(line) as HostRequest;
  await Promise.all(
    all.map(async (container) => {
      await executor.prepare(container, signal);
      await (only === 'create' ? executor.create(container.id) : executor.start(container.id));
    }),
  );
  if (command.length > 0) {
    const settings = { command, tty: false, stdin: true, env: [], user: '', dir: '', privileged: false };
    await executor.exec(all.at(-1)?.id ?? '', { ...settings, rows: 0, columns: 0 });
  }
  process.stdout.write(`${JSON.stringify(await executor.list())}\n`);
}
