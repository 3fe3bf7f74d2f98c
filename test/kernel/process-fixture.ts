import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folderOf = (name: string): string => join(root, 'node_modules/.cache', `${name}-${process.pid}`);

/**
 * A program of this folder as plain JavaScript, which Node 20 needs, with the thread that it starts by its name.
 * @returns the file to run
 */
export async function compileProcess(name: string): Promise<string> {
  const options = ['--ignoreConfig', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck'];
  const sources = [`test/kernel/${name}.ts`, 'netlb/dns/thread.ts'].map((file) => join(root, file));
  const outDir = folderOf(name);
  await mkdir(outDir, { recursive: true });
  await writeFile(join(outDir, 'package.json'), '{"type":"module"}');
  const command = [...options, '--rootDir', root, '--outDir', outDir, ...sources];
  execFileSync(join(root, 'node_modules/.bin/tsc'), command, { cwd: root, stdio: 'pipe' });
  return join(outDir, `test/kernel/${name}.js`);
}

export function removeProcess(name: string): Promise<void> {
  return rm(folderOf(name), { recursive: true, force: true });
}
