import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist');
/** Inside the checkout, so that its packages are found; one per run and project, since runs may be side by side. */
const folderOf = (project: string) => join(dist, `${project}-test-${process.pid}`);
const PROGRAMS = [
  ...['containers-process', 'executor-host', 'plane-driver', 'plane-flood', 'plane-peer', 'worker-process'].map(
    (name) => `test/kernel/${name}.ts`,
  ),
  'test/vm/guest.ts',
  // The resolver's thread is started by its file's name.
  'netlb/dns/thread.ts',
];

/** Compiles, once for all test files, what they start as processes of their own: Node 20 runs no TypeScript. */
export function setup(project: TestProject): () => void {
  removeLeftovers();
  const folder = folderOf(project.name);
  const teardown = () => rmSync(folder, { recursive: true, force: true });
  const options = ['--ignoreConfig', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck'];
  const command = [...options, '--rootDir', root, '--outDir', folder, ...PROGRAMS.map((file) => join(root, file))];
  try {
    execFileSync(join(root, 'node_modules/.bin/tsc'), command, { cwd: root, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    teardown();
    throw new Error(`the programs of the kernel tests do not compile:\n${(error as { stdout?: string }).stdout}`);
  }
  project.provide('programs', folder);
  return teardown;
}

/** Folders of runs that were killed. */
function removeLeftovers(): void {
  if (!existsSync(dist)) return;
  for (const name of readdirSync(dist)) {
    const pid = /-test-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(dist, name), { recursive: true, force: true });
  }
}
