import { readdir, readFile } from 'node:fs/promises';

/** The kernel's process with just these arguments, if there is one. */
export async function processOf(...argv: readonly string[]): Promise<number | undefined> {
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    // One that has ended meanwhile has none.
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line === `${argv.join('\0')}\0`) return Number(pid);
  }
  return undefined;
}
