import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Of this client: what its package says. Built files are one folder deeper than sources. */
function readVersion(): string {
  const isBuilt = fileURLToPath(import.meta.url).endsWith('.js');
  const file = new URL(isBuilt ? '../../package.json' : '../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

export const VERSION = readVersion();
