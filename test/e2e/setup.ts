/**
 * Names the lab of this worker of vitest before any test file is loaded: files that run side by side have
 * a lab each. TSSWARM_LAB keeps two runs on one machine apart.
 */
process.env.TSSWARM_LAB = `${process.env.TSSWARM_LAB || 'e2e'}-${process.env.VITEST_POOL_ID}`;
