import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { run } from './run.js';
import { CLI } from './ts-swarm.js';

/** Imports an image made of this machine's own programs into the lab. */
export function importPrograms(
  name: string,
  programs: readonly string[],
  files: Readonly<Record<string, string>>,
): void {
  withPacked(programs, files, (archive) => run(CLI, ['image', 'import', archive, name]));
}

/** Packs programs of this machine, with the libraries that they need, and files as the root of an image (tar). */
export function withPacked(
  programs: readonly string[],
  files: Readonly<Record<string, string>>,
  use: (archive: string) => void,
): void {
  const folder = mkdtempSync('/var/tmp/bench-image-');
  try {
    const copy = (file: string) => {
      const target = path.join(folder, 'root', file);
      mkdirSync(path.dirname(target), { recursive: true });
      if (!existsSync(target)) cpSync(file, target, { dereference: true });
    };
    for (const program of programs) for (const file of [program, ...libraries(program)]) copy(file);
    for (const [file, text] of Object.entries(files)) {
      const target = path.join(folder, 'root', file);
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    run('tar', ['-C', path.join(folder, 'root'), '-cf', path.join(folder, 'image.tar'), '.']);
    use(path.join(folder, 'image.tar'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function libraries(program: string): string[] {
  const lines = run('sh', ['-c', `ldd ${program} 2>/dev/null || true`]).split('\n');
  return lines.flatMap((line) => /(\/[^\s]+)/.exec(line)?.[1] ?? []);
}
