import { defineConfig } from 'vitest/config';

const rooms = ['lib', 'proto', 'manager', 'worker', 'netlb', 'lab', 'cli', 'daemon', 'demo', 'bench'];

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: rooms.map((room) => `${room}/**/*.test.ts`) } },
      {
        // The command line against a manager in the same process.
        test: { name: 'cli', include: ['test/cli/**/*.test.ts'], testTimeout: 20_000 },
      },
      {
        // Real namespaces, links and rules on this machine: needs root.
        test: { name: 'kernel', include: ['test/kernel/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 30_000 },
      },
      {
        // Real daemons and containers in the lab: one file at a time.
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
