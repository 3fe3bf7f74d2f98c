import { existsSync } from 'node:fs';
import { labNames } from '../../lab/inventory.js';
import { labLayout } from '../../lab/layout.js';
import { takeDown } from '../../lab/teardown.js';

/** What the names of labs of tests begin with; the process that made one follows. */
export const LAB_OF_TESTS = 'e2e';

/** Once, before all tests: takes down the labs of processes that were killed. */
export async function setup(): Promise<void> {
  for (const name of await labNames()) {
    const pid = new RegExp(`^${LAB_OF_TESTS}-(\\d+)`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await takeDown(labLayout(name));
  }
}
