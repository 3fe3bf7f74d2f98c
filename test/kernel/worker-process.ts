/** A worker alone in a process of its own, for tests that kill it: `worker-process OPTIONS run|leave`. */

import { systemClock } from '../../lib/clock.js';
import { KernelReader } from '../../netlb/trace/reader.js';
import { Inspector } from '../../worker/inspections/inspector.js';
import { Worker } from '../../worker/worker.js';
import { openEngine } from './engine.js';
import type { WorkerProcessOptions } from './worker-fixture.js';

const options = JSON.parse(process.argv[2] ?? '') as WorkerProcessOptions;
const { log, images, engine } = await openEngine(options, 'worker');
const worker = new Worker({
  ...options,
  engine,
  inspector: new Inspector(async () => new KernelReader(options)),
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
const end = new AbortController();
const running = engine.run(end.signal);
if (process.argv[3] === 'leave') await worker.leave();
else await worker.run(stop.signal);
end.abort();
await running;
await images.close();
