import { codeOf, failedPrecondition, messageOf, SwarmError, unavailable } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { ManagerIdentity } from '../manager/identity.js';
import { newStorageKey } from '../manager/raft/disk/file-key.js';
import { JoinService } from '../proto/gen/index.js';
import { Channel, type Stubs } from '../proto/rpc/client.js';
import type { NodeCredential } from '../proto/rpc/credentials.js';
import { wasAnswered } from '../proto/rpc/errors.js';

const LEAVE_TIMEOUT = 5_000;
/** A manager goes when the others have taken it out of their group. */
const RESIGN_TIMEOUT = 20_000;
const PLACE_TIMEOUT = 10_000;

/** Codes after which another manager may answer. */
const ASK_ANOTHER: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'UNKNOWN']);

type Join = Stubs<typeof JoinService>;

/** Asks one manager after another, until one answers. @throws what it answers; UNAVAILABLE when none does */
async function askManagers<T>(
  managers: readonly string[],
  credential: NodeCredential,
  ask: (join: Join) => Promise<T>,
): Promise<T> {
  let last: unknown = unavailable('no manager is known');
  for (const address of new Set(managers)) {
    const channel = new Channel(address, credential);
    try {
      return await ask(channel.stubs(JoinService));
    } catch (error) {
      if (!ASK_ANOTHER.has(codeOf(error))) throw error;
      // What a manager says tells more than that another one cannot be reached.
      if (!wasAnswered(last)) last = error;
    } finally {
      channel.close();
    }
  }
  throw last;
}

/** So that they count this node's tasks as gone at once. They find out without it too, only later. */
export async function tellManagers(
  { managers }: { readonly managers: readonly string[] },
  credential: NodeCredential,
  log: Logger,
): Promise<void> {
  try {
    await askManagers(managers, credential, (join) => join.leaveSwarm({}, { timeout: LEAVE_TIMEOUT }));
  } catch (error) {
    log.warn({ err: error }, `cannot tell the managers that this node leaves: ${messageOf(error)}`);
  }
}

/** Takes a manager out of the group, and its node out of the swarm. @throws FAILED_PRECONDITION when it is needed */
export async function resign(managers: readonly string[], credential: NodeCredential): Promise<void> {
  await askManagers(managers, credential, (join) => join.leaveSwarm({}, { timeout: RESIGN_TIMEOUT }));
}

/** What a manager that may not go is told. */
export function stillNeeded(error: unknown): SwarmError {
  const details = error instanceof SwarmError ? error : undefined;
  return failedPrecondition(`this manager cannot leave the swarm: ${messageOf(error)}`, {
    value: details?.value,
    hint: details?.hint ?? 'Use --force to leave all the same: the other managers then count it as one that is down.',
    cause: error,
  });
}

/** The place of a node that is to be a manager, in the group as the leader knows it. */
export async function askForPlace(
  managers: readonly string[],
  credential: NodeCredential,
  address: string,
  signal: AbortSignal,
): Promise<ManagerIdentity> {
  const place = await askManagers(managers, credential, (join) =>
    join.becomeManager({ address }, { timeout: PLACE_TIMEOUT, signal }),
  );
  const { raftId, group, managerSecret, peers } = place;
  return { raftId, group, secret: managerSecret, keys: [newStorageKey()], peers };
}
