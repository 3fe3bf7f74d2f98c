import { rmdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { systemClock } from '../lib/clock.js';
import { errnoOf, internal } from '../lib/errors.js';
import { run } from './command.js';
import { describeInventory, type Inventory, sizeOf, takeInventory } from './inventory.js';
import { CGROUP_ROOT, LAB_FOLDERS, type LabLayout, titleOf } from './layout.js';
import { signalAll } from './processes.js';

/** Milliseconds for something to go: of a crowded lab on a busy machine all of it may take minutes. */
const PATIENCE = 20_000;
const POLL = 20;

/**
 * Takes down whatever there is of a lab and of no other one, also after a crash and when it is half made or half gone.
 * It works from what the machine shows, again and again until it shows nothing.
 * @returns false when there was nothing to take down
 * @throws INTERNAL that lists what could not be removed
 */
export async function takeDown(lab: LabLayout): Promise<boolean> {
  let deadline = systemClock.monotonic() + PATIENCE;
  let inventory = await takeInventory(lab);
  let least = sizeOf(inventory);
  if (least === 0) return false;
  for (;;) {
    await removeOnce(lab, inventory);
    inventory = await takeInventory(lab);
    const left = sizeOf(inventory);
    if (left === 0) return true;
    if (left < least) {
      least = left;
      deadline = systemClock.monotonic() + PATIENCE;
    }
    if (systemClock.monotonic() > deadline) {
      throw internal(
        `the ${titleOf(lab)} could not be taken down whole; there is still\n  ${describeInventory(inventory).join('\n  ')}`,
      );
    }
    await systemClock.sleep(POLL);
  }
}

/**
 * One round. Processes go first: they hold everything else, and could make more of it. Nothing is
 * deleted while anything is mounted there: what is mounted may be the user's. A namespace's links,
 * rules and neighbours go with it once nothing is in it and its file is unmounted.
 */
async function removeOnce(lab: LabLayout, inventory: Inventory): Promise<void> {
  if (inventory.processes.length > 0) {
    signalAll(
      inventory.processes.map((p) => p.pid),
      'SIGKILL',
    );
    return;
  }
  if (inventory.mounts.length > 0) {
    await unmount(lab, inventory.mounts);
    return;
  }
  await Promise.all(inventory.namespaces.map((file) => rm(file, { force: true })));
  for (const link of inventory.links) await removeLink(lab, link);
  removeCgroups(inventory.cgroups);
  await Promise.all(inventory.folders.map((folder) => rm(folder, { recursive: true, force: true })));
  // Folders that the lab shares with others, or with a daemon of the machine itself, stay while they hold something.
  for (const folder of inventory.folders) {
    const parent = path.dirname(folder);
    removeIfEmpty(parent);
    if (LAB_FOLDERS.includes(parent)) removeIfEmpty(path.dirname(parent));
  }
}

async function removeLink(lab: LabLayout, link: string): Promise<void> {
  await run('ip', ['link', 'delete', link]).catch(async (error: unknown) => {
    // It goes by itself with the namespace that its other end is in.
    if ((await takeInventory(lab)).links.includes(link)) throw error;
  });
}

/** Lazily: an unmount must not wait for who still has a file open there. */
async function unmount(lab: LabLayout, points: readonly string[]): Promise<void> {
  await run('umount', ['--lazy', ...points]).catch(async (error: unknown) => {
    // A point below one that went before it is gone too, which umount calls an error.
    if ((await takeInventory(lab)).mounts.length >= points.length) throw error;
  });
}

function removeCgroups(folders: readonly string[]): void {
  for (const folder of folders) removeIfEmpty(folder);
  const roots = new Set(
    folders.flatMap((folder) => {
      const end = folder.indexOf(`${CGROUP_ROOT}/`);
      return end < 0 ? [] : [folder.slice(0, end + CGROUP_ROOT.length)];
    }),
  );
  for (const root of roots) removeIfEmpty(root);
}

/** A cgroup stays busy for a moment after its last process; the next round removes it. */
function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!['ENOENT', 'EBUSY', 'ENOTEMPTY'].includes(errnoOf(error) ?? '')) throw error;
  }
}
