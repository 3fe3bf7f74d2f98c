import { mkdir, readdir, stat } from 'node:fs/promises';
import { messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import { isMountPoint } from '../../../netlb/kernel/mounts.js';
import { nameNamespace, namespaceInode } from '../../../netlb/kernel/namespace.js';
import { Container } from './container/container.js';
import { isContainerFolder, readIfThere } from './container/folder.js';
import { identify, isAlive } from './container/process.js';
import type { Operations, OperationsOptions } from './operations.js';
import { settledStatus } from './runtime/conmon.js';

/**
 * Makes the folders, and takes back the containers that an earlier executor has left in them, whatever it was doing when
 * it ended; what is not whole is cleaned up. What cannot be cleaned up now (a process that the kernel does not let go,
 * something that is mounted) keeps nobody from the others: who opens the folders next tries again.
 */
export async function takeBack(operations: Operations, options: OperationsOptions): Promise<Container[]> {
  const { dataRoot, volumes, log } = options;
  for (const path of [dataRoot, operations.exitDir]) await mkdir(path, { recursive: true, mode: 0o700 });
  const containers: Container[] = [];
  for (const id of (await readdir(dataRoot)).filter(isContainerFolder)) {
    const container = await adopt(id, operations, options);
    if (container) containers.push(container);
    else await cleanUp(id, log, () => discard(id, operations));
  }
  volumes.settle();
  return containers;
}

/** What a damaged record leaves of its volumes is a person's to save. */
async function discard(id: string, operations: Operations): Promise<void> {
  await operations.discard(id, { keepVolumes: await operations.folder(id).isDamaged() });
}

/** @returns whether it is done */
async function cleanUp(id: string, log: Logger, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    log.error({ container: id, err: error }, `what is left of a container cannot be removed: ${messageOf(error)}`);
    return false;
  }
}

/** The container of a folder; undefined when the folder is to be cleaned up. */
async function adopt(id: string, operations: Operations, options: OperationsOptions): Promise<Container | undefined> {
  const { volumes } = options;
  const folder = operations.folder(id);
  const record = await folder.readRecord();
  if (record?.id !== id) return undefined;
  const { run = 0, process, startedAt, exit, ...prepared } = record;
  const container = new Container(folder, prepared);
  container.mounted = isMountPoint(folder.rootfs);
  if (startedAt !== 0) container.started(run, process, startedAt);
  if (exit) container.finished(exit);
  volumes.takeBack(container, exit === undefined || (await folder.launched()) > run);
  if ((await folder.launched()) > run) await recoverStart(container, operations, options);
  if (container.exit) {
    // Again, in case it was interrupted; there is nothing to do when it was not.
    const released = await cleanUp(id, options.log, () => operations.release(folder, id, true));
    container.mounted = !released && isMountPoint(folder.rootfs);
    container.settled = released;
  }
  nameNamespaceAgain(container, options.log);
  // The machine was started anew before it was: it has to be prepared again.
  if (container.run === 0 && (await folder.lacksFiles())) return undefined;
  return container;
}

/**
 * Where somebody has removed the file of the network namespace that its process is in: whoever made another
 * there would leave the container in one that nobody cares for.
 */
function nameNamespaceAgain({ id, running, process, prepared }: Container, log: Logger): void {
  const { networkNamespace: path } = prepared;
  if (!running || !process || path === '' || namespaceInode(path) !== undefined || !isAlive(process)) return;
  try {
    nameNamespace(path, `/proc/${process.pid}/ns/net`);
    log.warn({ container: id }, 'put back: the file of its network namespace was missing');
  } catch (error) {
    // It may have ended just now.
    if (isAlive(process))
      log.error({ container: id, error: messageOf(error) }, 'its network namespace cannot be named');
  }
}

/**
 * For a run without a noted start, when we may have been killed in the middle of it: if its process was started
 * it is taken as such.
 */
async function recoverStart(
  container: Container,
  operations: Operations,
  { runtime }: OperationsOptions,
): Promise<void> {
  const { id, folder } = container;
  const status = await settledStatus(runtime, id);
  if (status !== 'running' && status !== 'stopped') return operations.uncreate(container);
  const { mtimeMs } = await stat(folder.launchMark);
  const process = identify(Number(await readIfThere(folder.pidFile)));
  container.started(await folder.launched(), process, Math.floor(mtimeMs));
  await folder.writeRecord(container.record);
}
