import { rename, writeFile } from 'node:fs/promises';

let sequence = 0;

/** Replaces a file in one step: readers see the old content or the new, never a part. */
export async function writeFileAtomically(path: string, data: string, mode = 0o644): Promise<void> {
  const temporary = `${path}.${process.pid}.${sequence++}.tmp`;
  await writeFile(temporary, data, { mode });
  await rename(temporary, path);
}
