import type { Slices } from '../../lib/slices.js';
import {
  deleteFdb,
  deleteNeighbour,
  type Operation as NetlinkOperation,
  newFdb,
  newNeighbour,
  type RouteSocket,
} from '../kernel/rtnetlink.js';
import type { RemoteEntries, RemotesOperation } from '../plan/operation.js';
import { indexOf } from './links.js';

/** Endpoints per batch: some milliseconds of the kernel's time. */
const REMOTES_PER_BATCH = 100;

/** @throws KernelError the first refusal, after all entries were tried */
export async function changeRemotes(socket: RouteSocket, operation: RemotesOperation, slices: Slices): Promise<void> {
  const index = indexOf(socket, operation.vxlan);
  const { remotes, kind } = operation;
  let refusal: Error | undefined;
  for (let i = 0; i < remotes.length; i += REMOTES_PER_BATCH) {
    const part = remotes.slice(i, i + REMOTES_PER_BATCH);
    const { failed } = socket.batch(
      part.flatMap((entries) => (kind === 'add-remotes' ? additions(index, entries) : deletions(index, entries))),
    );
    refusal ??= failed.find(({ error }) => kind === 'add-remotes' || error.code !== 'ENOENT')?.error;
    await slices.pause();
  }
  if (refusal) throw refusal;
}

const additions = (index: number, { neighbour, forward, port }: RemoteEntries): NetlinkOperation[] => [
  // The neighbour comes last: from then on the device answers for the address.
  ...(forward ? [newFdb({ index, ...forward })] : []),
  ...(port ? [newFdb({ index, ...port })] : []),
  ...(neighbour ? [newNeighbour({ index, ...neighbour })] : []),
];

const deletions = (index: number, { neighbour, forward, port }: RemoteEntries): NetlinkOperation[] => [
  ...(neighbour ? [deleteNeighbour({ index, ...neighbour })] : []),
  ...(port ? [deleteFdb({ index, ...port })] : []),
  ...(forward ? [deleteFdb({ index, ...forward })] : []),
];
