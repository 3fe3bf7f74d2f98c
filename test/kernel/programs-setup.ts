import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
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

/**
 * Makes, once for all test files, what they start as processes of their own: Node 20 runs no TypeScript. Each is a few
 * files, as the daemon is (scripts/bundle.mjs): loading its modules one by one takes longer than all else at its start.
 */
export async function setup(project: TestProject): Promise<() => void> {
  removeLeftovers();
  const folder = folderOf(project.name);
  const teardown = () => rmSync(folder, { recursive: true, force: true });
  try {
    await build({
      input: Object.fromEntries(PROGRAMS.map((file) => [basename(file, '.ts'), join(root, file)])),
      platform: 'node',
      external: ['koffi', /^vitest/],
      output: { dir: folder, format: 'esm', chunkFileNames: '[name]-[hash].js' },
      logLevel: 'warn',
    });
  } catch (error) {
    teardown();
    throw error;
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
