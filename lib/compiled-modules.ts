import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { Script } from 'node:vm';
import { errnoOf } from './errors.js';

const CODE = '.code';

interface Compiled {
  readonly script: Script;
  readonly module: { exports: unknown };
}

/**
 * CommonJS files of one folder that require each other, and beside each the code that V8 made of it when they were
 * built: who loads them compiles nothing. V8 refuses code of another version of its own, or of other flags, and
 * compiles then. It tells sources apart only by their length: who changes a file has to remove its code.
 */
export class CompiledModules {
  readonly #folder: string;
  readonly #compiled = new Map<string, Compiled>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What the file exports; it runs once. @param name as `main.cjs` */
  load(name: string): unknown {
    const known = this.#compiled.get(name);
    if (known) return known.module.exports;
    const file = path.join(this.#folder, name);
    const compiled = { script: this.#compile(name), module: { exports: {} } };
    this.#compiled.set(name, compiled);
    const others = createRequire(file);
    const require = (asked: string): unknown =>
      asked.startsWith('./') ? this.load(asked.slice('./'.length)) : others(asked);
    const { module } = compiled;
    compiled.script.runInThisContext()(module.exports, require, module, file, this.#folder);
    return module.exports;
  }

  /** Notes the code of all files: of those that were loaded, with the functions that have been called since. */
  write(): void {
    for (const name of readdirSync(this.#folder).filter((name) => name.endsWith('.cjs'))) {
      const script = this.#compiled.get(name)?.script ?? this.#compile(name);
      const file = path.join(this.#folder, name + CODE);
      writeFileSync(`${file}.tmp`, script.createCachedData());
      renameSync(`${file}.tmp`, file);
    }
  }

  #compile(name: string): Script {
    const filename = path.join(this.#folder, name);
    const source = readFileSync(filename, 'utf8');
    const cachedData = readIfThere(filename + CODE);
    const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
    return new Script(wrapped, { filename, ...(cachedData && { cachedData }) });
  }
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
