import { join } from 'node:path';

export interface Folders {
  readonly dataRoot: string;
  readonly runRoot: string;
  readonly images: string;
}

/** An executor's folders below one of a test's own. */
export function foldersIn(folder: string): Folders {
  return { dataRoot: join(folder, 'containers'), runRoot: join(folder, 'run'), images: join(folder, 'images') };
}
