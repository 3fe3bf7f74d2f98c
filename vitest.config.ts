import { defineConfig } from 'vitest/config';
import { LongFirst } from './test/order.js';
import { vmPool } from './test/vm/pool.js';

const rooms = ['lib', 'proto', 'manager', 'worker', 'netlb', 'lab', 'cli', 'daemon', 'demo', 'bench'];

// In a virtual machine these take minutes. What two daemons make of keys is in encryption.test.ts, too; that the older
// kernel there takes the rules is in all tests, and not byte by byte.
const longInMachine = ['test/vm/encrypted-swarm.test.ts', 'test/vm/nft-compile.test.ts'];

// The groups run one after another: what measures the kernel does not compete with what loads the machine.
// Where real processes have deadlines a busy machine may make a test fail once; what fails twice has failed.
export default defineConfig({
  test: {
    // Left to itself it keeps a processor back, which on a machine with two is half of them.
    maxWorkers: '100%',
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            ...rooms.map((room) => `${room}/**/*.test.ts`),
            'test/linearizability/**/*.test.ts',
            'test/vm/wire.test.ts',
          ],
          // A process and all its modules for each file were most of the work. None of them keeps state of the process.
          isolate: false,
          // Against what never ends: some of them calculate for seconds, and longer where others do so too.
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // The command line against a manager in the same process.
        test: {
          name: 'cli',
          include: ['test/cli/**/*.test.ts'],
          isolate: false,
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Real namespaces, links and rules on this machine: needs root. Each file has namespaces, folders and cgroups
        // of its own, and much of a test's time is waiting. `maxWorkers: 1` lets the files run one after another.
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          globalSetup: 'test/kernel/programs-setup.ts',
          maxWorkers: 2,
          retry: 1,
          testTimeout: 30_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Real daemons with containers, each on a machine of its own: a network namespace and folders.
        test: {
          name: 'machine',
          include: ['test/machine/**/*.test.ts'],
          retry: 1,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // Real daemons and containers, in a lab for each worker: much of a test's time is waiting. `maxWorkers: 1`
        // here lets the files run one after another.
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          retry: 1,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          globalSetup: 'test/e2e/leftovers.ts',
          setupFiles: 'test/e2e/setup.ts',
          maxWorkers: 2,
          sequence: { groupOrder: 3 },
        },
      },
      {
        // What needs a full kernel (IPVS, ESP), which most hosts lack: all of it runs in one process in a virtual
        // machine, where a processor is emulated and some 25 times slower.
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          exclude: ['test/vm/wire.test.ts', ...(process.env.TSSWARM_LONG ? [] : longInMachine)],
          globalSetup: ['test/kernel/programs-setup.ts', 'test/vm/setup.ts'],
          pool: vmPool,
          isolate: false,
          fileParallelism: false,
          retry: 1,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
