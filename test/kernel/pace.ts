/**
 * How many times slower than a usual machine's the processor is, for time limits: set in a virtual machine whose
 * processor is emulated (test/vm/pool.ts).
 */
export const PACE = Number(process.env.TSSWARM_TEST_PACE ?? 1);
