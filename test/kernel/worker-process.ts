/** A worker alone in a process of its own, for tests that kill it: `worker-process OPTIONS run|leave`. */
import { systemClock } from '../../lib/clock.js';
import { createLogger } from '../../lib/log.js';
import { OciImageStore } from '../../worker/executor/oci/index.js';
import { Worker } from '../../worker/worker.js';
import type { WorkerProcessOptions } from './worker-fixture.js';

const options = JSON.parse(process.argv[2] ?? '') as WorkerProcessOptions;
const log = createLogger('debug', 'worker');
const images = await OciImageStore.open({ root: options.images, log });
const worker = new Worker({
  ...options,
  images,
  hostname: 'node1',
  labels: {},
  version: 'test',
  nodeId: 'node1',
  credential: { nodeId: 'node1', secret: new Uint8Array(32) },
  dataPathPort: 4789,
  log,
  clock: systemClock,
});
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
if (process.argv[3] === 'leave') await worker.leave();
else await worker.run(stop.signal);
await images.close();
