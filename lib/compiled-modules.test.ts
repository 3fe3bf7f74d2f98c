import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CompiledModules } from './compiled-modules.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'compiled-modules-'));
  write('main.cjs', "const { twice } = require('./twice.cjs');\nexports.four = () => twice(2);");
  write(
    'twice.cjs',
    "const path = require('node:path');\nexports.twice = (n) => 2 * n;\nexports.base = path.basename('a/b');",
  );
  write('rare.cjs', 'exports.rare = true;');
});

afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, content: string) => writeFileSync(path.join(folder, name), content);
const load = (name = 'main.cjs') => new CompiledModules(folder).load(name) as Record<string, () => number>;

/** Loads and calls, so that the functions are compiled, and notes the code. */
function compile(): void {
  const modules = new CompiledModules(folder);
  (modules.load('main.cjs') as { four: () => number }).four();
  modules.write();
}

describe('CompiledModules', () => {
  it('gives what the files export, which require each other and others, and run once', () => {
    write('counts.cjs', 'globalThis.compiledModulesRuns = (globalThis.compiledModulesRuns ?? 0) + 1;');
    write(
      'both.cjs',
      "require('./counts.cjs');\nrequire('./counts.cjs');\nexports.runs = globalThis.compiledModulesRuns;",
    );
    expect(load().four?.()).toBe(4);
    expect(load('twice.cjs')).toMatchObject({ base: 'b' });
    expect(load('both.cjs')).toEqual({ runs: 1 });
  });

  it('notes the code of all files, also of those that were not loaded', () => {
    compile();
    const files = ['main.cjs', 'rare.cjs', 'twice.cjs'].flatMap((name) => [name, `${name}.code`]);
    expect(readdirSync(folder).sort()).toEqual(files);
    expect(load('rare.cjs')).toEqual({ rare: true });
  });

  it('compiles nothing that has its code', () => {
    compile();
    // Of the same length: that it is another is seen only by who compiles it.
    write(
      'twice.cjs',
      "const path = require('node:path');\nexports.twice = (n) => 3 * n;\nexports.base = path.basename('a/b');",
    );
    expect(load().four?.()).toBe(4);
  });

  it('compiles what has changed, and what V8 cannot use the code of', () => {
    compile();
    write('twice.cjs', 'exports.twice = (n) => 30 * n;');
    expect(load().four?.()).toBe(60);
    write('main.cjs.code', 'of another version');
    expect(load().four?.()).toBe(60);
  });
});
