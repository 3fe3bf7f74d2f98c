import { invalidArgument } from '../../lib/errors.js';
import type { Cluster } from '../../proto/gen/objects.js';
import { ClusterSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { type Change, change, isSame } from '../retry.js';

/** Flags of `init` and `update` that go into the cluster's spec. */
export const CLUSTER_FLAGS = [
  'auto-rebalance',
  'autolock',
  'cert-expiry',
  'dispatcher-heartbeat',
  'max-snapshots',
  'snapshot-interval',
  'task-history-limit',
];

/** A cluster's spec with the flags applied. @throws INVALID_ARGUMENT that names the flag and value */
export function applyClusterFlags(spec: ClusterSpec, flags: Flags): ClusterSpec {
  return {
    ...spec,
    taskHistoryLimit: flags.integer('task-history-limit', 0, 0xffffffff) ?? spec.taskHistoryLimit,
    dispatcherHeartbeat: flags.duration('dispatcher-heartbeat') ?? spec.dispatcherHeartbeat,
    raft: {
      ...spec.raft,
      snapshotInterval: flags.integer('snapshot-interval') ?? spec.raft.snapshotInterval,
      keepOldSnapshots: flags.integer('max-snapshots') ?? spec.raft.keepOldSnapshots,
    },
    ca: { ...spec.ca, nodeCertificateExpiry: flags.duration('cert-expiry') ?? spec.ca.nodeCertificateExpiry },
    autoRebalance: flags.boolean('auto-rebalance') ?? spec.autoRebalance,
    autolockManagers: flags.boolean('autolock') ?? spec.autolockManagers,
  };
}

export async function updateSwarm(context: Context, flags: Flags): Promise<void> {
  if (!CLUSTER_FLAGS.some((flag) => flags.has(flag)))
    throw invalidArgument('nothing to update', {
      hint: `Give one of ${CLUSTER_FLAGS.map((f) => `--${f}`).join(', ')}.`,
    });
  await changeCluster(context, {
    what: 'the swarm was updated',
    wanted: ({ spec }) => applyClusterFlags(spec, flags),
    rotate: undefined,
    has: (now, spec) => isSame(ClusterSpec, now.spec, spec),
  });
  context.io.out('Swarm updated.\n');
}

interface ClusterChange extends Pick<Change<Cluster, ClusterSpec>, 'what' | 'wanted' | 'has'> {
  /** What is to be another one: a role's token, or the keys of encrypted networks. */
  readonly rotate: 'worker' | 'manager' | 'networkKeys' | undefined;
}

/** @returns the cluster before and after */
export async function changeCluster(
  context: Context,
  { rotate, ...deed }: ClusterChange,
): Promise<{ readonly before: Cluster; readonly after: Cluster }> {
  const control = await context.control();
  const isRole = rotate === 'worker' || rotate === 'manager';
  return change<Cluster, ClusterSpec>(context.io.clock, {
    ...deed,
    look: isRole ? `tsswarm join-token ${rotate}` : 'tsswarm info',
    read: async () => (await control.getCluster({})).cluster,
    write: async ({ meta: { version } }, spec) => {
      const rotations = {
        rotateWorkerToken: rotate === 'worker',
        rotateManagerToken: rotate === 'manager',
        rotateNetworkKeys: rotate === 'networkKeys',
      };
      return (await control.updateCluster({ version, spec, ...rotations })).cluster;
    },
  });
}

export async function joinToken(context: Context, role: string, flags: Flags): Promise<void> {
  if (role !== 'worker' && role !== 'manager')
    throw invalidArgument(`unknown role "${role}"`, { value: role, hint: 'Roles are worker and manager.' });
  const control = await context.control();
  const cluster = flags.on('rotate') ? await rotate(context, role) : (await control.getCluster({})).cluster;
  const token = cluster.joinTokens[role];
  if (flags.on('quiet')) return context.io.out(`${token}\n`);
  const { advertiseAddress } = await (await context.agent()).info({});
  if (flags.on('rotate')) context.io.out(`Successfully rotated ${role} join token.\n\n`);
  context.io.out(joinText(role, token, advertiseAddress));
}

async function rotate(context: Context, role: 'worker' | 'manager'): Promise<Cluster> {
  const { after } = await changeCluster(context, {
    what: `the ${role} token was rotated`,
    wanted: ({ spec }) => spec,
    rotate: role,
    has: (now, _, before) => now.joinTokens[role] !== before.joinTokens[role],
  });
  return after;
}

/** What the operator runs on the machines that shall join. */
export function joinText(role: 'worker' | 'manager', token: string, address: string): string {
  return `To add a ${role} to this swarm, run the following command:\n\n    tsswarm join --token ${token} ${address}\n\n`;
}
