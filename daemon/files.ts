import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/** Replaces a file's content: after a crash there is the old one or the new one, and once this resolves the new one. */
export async function writeFileAtomic(file: string, content: string, mode: number): Promise<void> {
  const temporary = `${file}.new`;
  // One that a crash left would keep its own mode.
  await rm(temporary, { force: true });
  const handle = await open(temporary, 'w', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  await syncFolder(path.dirname(file));
}

/** Removes a file or folder with all in it; once this resolves it does not come back after a crash. */
export async function removeDurably(target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await syncFolder(path.dirname(target));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
