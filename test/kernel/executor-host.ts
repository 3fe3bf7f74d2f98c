/**
 * A process that opens an executor, to be killed by its test. Each line on standard input is a list
 * of containers' settings to prepare and start; each is answered by the states of all containers.
 * Arguments: folder, cgroup parent.
 */
import { createInterface } from 'node:readline';
import { systemClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import { OciExecutor, OciImageStore } from '../../worker/executor/oci/index.js';
import { foldersIn } from './executor-folders.js';

const [folder = '', cgroupParent = ''] = process.argv.slice(2);
const { dataRoot, runRoot, images: root } = foldersIn(folder);
const images = await OciImageStore.open({ root, log: silentLogger });
const executor = await OciExecutor.open({
  dataRoot,
  runRoot,
  images,
  cgroupParent,
  log: silentLogger,
  clock: systemClock,
});
const signal = new AbortController().signal;
for await (const line of createInterface({ input: process.stdin })) {
  const all = JSON.parse(line) as ContainerSettings[];
  await Promise.all(
    all.map(async (container) => {
      await executor.prepare(container, signal);
      await executor.start(container.id);
    }),
  );
  process.stdout.write(`${JSON.stringify(await executor.list())}\n`);
}
