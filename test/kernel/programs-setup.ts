import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Inside the checkout, so that its packages are found; one per run, since runs may be side by side. */
const folder = join(root, 'dist', `kernel-test-${process.pid}`);
const PROGRAMS = ['containers-process', 'executor-host', 'plane-driver', 'plane-peer', 'worker-process'];

/** Compiles, once for all test files, what they start as processes of their own: Node 20 runs no TypeScript. */
export function setup(project: TestProject): void {
  // The resolver's thread is started by its file's name.
  const sources = [...PROGRAMS.map((name) => `test/kernel/${name}.ts`), 'netlb/dns/thread.ts'];
  const options = ['--ignoreConfig', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck'];
  const command = [...options, '--rootDir', root, '--outDir', folder, ...sources.map((file) => join(root, file))];
  try {
    execFileSync(join(root, 'node_modules/.bin/tsc'), command, { cwd: root, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    teardown();
    throw new Error(`the programs of the kernel tests do not compile:\n${(error as { stdout?: string }).stdout}`);
  }
  project.provide('programs', folder);
}

export function teardown(): void {
  rmSync(folder, { recursive: true, force: true });
}
