/**
 * Before any test file is loaded: names the lab of this worker of vitest, since files that run side by side have a
 * lab each (TSSWARM_LAB keeps two runs on one machine apart), and lets commands run in its process.
 */
process.env.TSSWARM_LAB = `${process.env.TSSWARM_LAB || 'e2e'}-${process.env.VITEST_POOL_ID}`;

// Its module looks at the name when it is loaded.
const [{ useCommandLine }, { runInProcess }] = await Promise.all([
  import('../../demo/cli.js'),
  import('../command-line.js'),
]);
useCommandLine(runInProcess);
