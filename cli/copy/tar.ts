import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { errnoOf, failedPrecondition } from '../../lib/errors.js';
import { type Landing, renaming } from './rules.js';

/** Archives of this machine's files are packed and unpacked by tar(1). */

/** tar's code for "some files differ", as one that was written to meanwhile: the archive is whole. */
const EXIT_DIFFERS = 1;

/** An archive of `name` in `folder`, which is called `as` in it. */
export async function* pack(folder: string, name: string, as: string, followLinks: boolean): AsyncIterable<Uint8Array> {
  const flags = ['--create', '--format=pax', `--directory=${folder}`, `--transform=${renaming(as)}`];
  const tar = spawn('tar', [...flags, ...(followLinks ? ['--dereference'] : []), '--', name], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = endOf(tar, [0, EXIT_DIFFERS]);
  // When nobody reads on, what tar says of it is of no use to anyone.
  ended.catch(() => undefined);
  for await (const chunk of tar.stdout) yield chunk;
  await ended;
}

/** Unpacks an archive; its first element gets the landing's name. */
export async function unpack(
  archive: AsyncIterable<Uint8Array>,
  { folder, name }: Landing,
  keepOwners: boolean,
): Promise<void> {
  const owners = keepOwners ? ['--same-owner', '--numeric-owner'] : ['--no-same-owner'];
  const flags = ['--extract', '--preserve-permissions', `--directory=${folder}`, `--transform=${renaming(name)}`];
  const tar = spawn('tar', [...flags, ...owners], { stdio: ['pipe', 'ignore', 'pipe'] });
  const ended = endOf(tar, [0]);
  let over = false;
  ended
    .catch(() => undefined)
    .finally(() => {
      over = true;
    });
  // When tar is gone before the archive is, its words tell more than the broken pipe.
  tar.stdin.on('error', () => {
    over = true;
  });
  for await (const chunk of archive) {
    if (over) break;
    if (!tar.stdin.write(chunk)) await Promise.race([once(tar.stdin, 'drain'), ended]);
  }
  tar.stdin.end();
  await ended;
}

async function endOf(tar: ChildProcess, good: readonly number[]): Promise<void> {
  let words = '';
  tar.stderr?.on('data', (chunk) => {
    words += chunk;
  });
  try {
    const [code] = (await once(tar, 'close')) as [number | null];
    if (code === null || !good.includes(code))
      throw failedPrecondition(words.trim() || `tar ended with ${code ?? 'a signal'}`);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw failedPrecondition('the program tar is not installed', {
        hint: 'Install it, or copy with "-".',
        cause: error,
      });
    throw error;
  }
}
