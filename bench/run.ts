import { type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { alignColumns } from '../cli/format/table.js';

/** The checkout, seen from dist/bench/. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Standard output of a command. @throws with its standard error when it fails */
export function run(command: string, args: readonly string[], options: { input?: string | Buffer } = {}): string {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20, ...options });
  if (result.error) throw new Error(`${command}: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr || result.stdout}`);
  return result.stdout;
}

/** As `run`, without blocking the event loop. */
export function runAsync(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout?.on('data', (data) => {
      out += data;
    });
    child.stderr?.on('data', (data) => {
      err += data;
    });
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(out) : reject(new Error(`${command} ${args.join(' ')}: ${err || out}`)),
    );
  });
}

/** In a network namespace of `ip netns`. */
export const inNetns = (netns: string, ...command: string[]): [string, string[]] => [
  'nsenter',
  [`--net=/run/netns/${netns}`, ...command],
];

export function have(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
}

/** Keeps a comparison's figures as bench/results/<name>.json. */
export function keep(name: string, figures: object): void {
  const folder = path.join(root, 'bench/results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.json`), `${JSON.stringify(figures, null, 2)}\n`);
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Rows as aligned columns; the first row is the heading. */
export const table = (rows: readonly (readonly string[])[]): string => alignColumns(rows, 0).trimEnd();
