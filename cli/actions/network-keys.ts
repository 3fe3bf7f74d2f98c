import type { Cluster } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { changeCluster } from './swarm-settings.js';

/** Milliseconds between looks at the keys while they change. */
const INTERVAL = 250;

/** Gives encrypted networks new keys, and returns when no node takes a packet under the old ones; at once if detached. */
export async function rotateNetworkKeys(context: Context, flags: Flags): Promise<void> {
  const { before } = await changeCluster(context, {
    what: 'the keys of encrypted networks were rotated',
    wanted: ({ spec }) => spec,
    rotate: 'networkKeys',
    has: (now, _, then) => now.networkKeys.retired >= newest(then),
  });
  if (flags.on('detach')) return context.io.out('Keys of encrypted networks are being rotated.\n');
  const control = await context.control();
  while ((await control.getCluster({})).cluster.networkKeys.keys.some(({ time }) => time <= newest(before)))
    await context.io.clock.sleep(INTERVAL);
  context.io.out('Rotated the keys of encrypted networks.\n');
}

/** Time of the newest key; 0 when there is none yet. */
const newest = ({ networkKeys }: Cluster): number => networkKeys.keys.at(-1)?.time ?? 0;
