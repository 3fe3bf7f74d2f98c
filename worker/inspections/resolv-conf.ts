import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../lib/errors.js';
import { NODE_NAMESPACE } from '../../netlb/names.js';
import { readSmallFile } from '../executor/oci/container/small-file.js';

/**
 * The resolv.conf of whoever lives in a namespace, as the container sees it; undefined where nobody does.
 * @throws FAILED_PRECONDITION for one that is too large: containers may write to theirs
 */
export async function resolvConfOf(dataRoot: string, namespace: string): Promise<string | undefined> {
  if (namespace === NODE_NAMESPACE) return read('/etc/resolv.conf');
  const containers = join(dataRoot, 'containers');
  // A task's folder has the namespace's name; a container's begins with it.
  const folder = (await names(containers)).find((name) => name.startsWith(namespace));
  return folder === undefined ? undefined : read(join(containers, folder, 'etc', 'resolv.conf'));
}

async function names(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readSmallFile(path, '/etc/resolv.conf');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
