import { LAB_OF_TESTS } from './leftovers.js';

/**
 * Before any test file is loaded: names the lab of this file's process, since files that run side by side have a lab
 * each (by the process, for two of vitest's workers may have one VITEST_POOL_ID), and lets commands run in its process.
 */
process.env.TSSWARM_LAB = `${LAB_OF_TESTS}-${process.pid}`;

// Its module looks at the name when it is loaded.
const [{ useCommandLine }, { runInProcess }] = await Promise.all([
  import('../../demo/cli.js'),
  import('../command-line.js'),
]);
useCommandLine(runInProcess);
