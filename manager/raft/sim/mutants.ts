import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Finding, Hunt } from './hunter.js';
import type { Mutation } from './mutations.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
/** All that the simulator is made of, and needs. */
const sources = ['manager/raft/core', 'manager/raft/sim', 'lib', 'proto/runtime.ts', 'proto/gen'];
const compiler = createRequire(import.meta.url)
  .resolve('typescript/package.json')
  .replace('package.json', 'bin/tsc');

/** The core as it is, built like the mutants. */
export const original = 'original';

/**
 * Copies of the simulator in a folder of their own, each with one deliberate bug in its core. The
 * bugs are made in the source text, so that the core itself needs no hooks.
 */
export class Mutants {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws Error when a mutation's text is not in its file exactly once */
  static async build(mutations: readonly Mutation[]): Promise<Mutants> {
    const folder = await mkdtemp(join(tmpdir(), 'tsswarm-mutants-'));
    try {
      await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
      await writeFile(join(folder, 'package.json'), '{"type":"module"}');
      await copySources(folder, original);
      for (const mutation of mutations) {
        await copySources(folder, mutation.name);
        await mutate(join(folder, 'src', mutation.name, 'manager/raft/core', mutation.file), mutation);
      }
      await compile(folder, [original, ...mutations.map(({ name }) => name)]);
    } catch (error) {
      await rm(folder, { recursive: true });
      throw error;
    }
    return new Mutants(folder);
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }

  /** The first seed with which this mutant breaks a promise; undefined when there is none. */
  async hunt(name: string, hunt: Hunt): Promise<Finding | undefined> {
    const hunter = pathToFileURL(join(this.#folder, 'out', name, 'manager/raft/sim/hunter.js'));
    const worker = new Worker(hunter, { workerData: hunt, execArgv: [] });
    try {
      return await new Promise<Finding | undefined>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    } finally {
      await worker.terminate();
    }
  }
}

async function copySources(folder: string, name: string): Promise<void> {
  for (const source of sources) {
    const target = join(folder, 'src', name, source);
    await mkdir(join(target, '..'), { recursive: true });
    await cp(join(root, source), target, { recursive: true, filter: (path) => !path.endsWith('.test.ts') });
  }
}

async function mutate(file: string, { name, before, after }: Mutation): Promise<void> {
  const text = await readFile(file, 'utf8');
  const found = text.split(before).length - 1;
  if (found !== 1) throw new Error(`mutation "${name}": its text is in ${file} ${found} times, not once`);
  await writeFile(
    file,
    text.replace(before, () => after),
  );
}

async function compile(folder: string, names: readonly string[]): Promise<void> {
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { noEmit: false, noCheck: true, rootDir: 'src', outDir: 'out' },
    include: [],
    files: names.map((name) => `src/${name}/manager/raft/sim/hunter.ts`),
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  await promisify(execFile)(process.execPath, [compiler, '-p', folder]);
}
