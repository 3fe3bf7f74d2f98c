import { dns } from './dns.js';
import { entries } from './entries.js';
import { propagation } from './propagation.js';
import { start } from './start.js';

/** How fast endpoints get into kernels: into one, a thousand at once, and into all of a swarm, one by one; containers started, names asked. */
export async function network(): Promise<void> {
  await entries();
  await propagation();
  await start();
  await dns();
}
