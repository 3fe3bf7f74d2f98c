import { invalidArgument } from '../../lib/errors.js';
import { parseCidr } from '../../lib/ip.js';
import { InitRequest, JoinSwarmRequest } from '../../proto/gen/node.js';
import { ClusterSpec, NodeRole } from '../../proto/gen/specs.js';
import { JOIN_TOKEN, JOIN_TOKEN_HINT } from '../../proto/join-token.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { inFlag } from '../flags/flags.js';
import { ensureDaemon } from '../start-daemon.js';
import { availabilityOf } from './nodes.js';
import { applyClusterFlags, CLUSTER_FLAGS, joinText } from './swarm-settings.js';

export async function initSwarm(context: Context, flags: Flags): Promise<void> {
  const request = initRequest(flags);
  context.host = await ensureDaemon(context.io, context.askedHost);
  const { nodeId, workerToken, advertiseAddress } = await (await context.agent()).init(request);
  context.io.out(`Swarm initialized: current node (${nodeId}) is now a manager.\n\n`);
  if (request.forceNewCluster) return context.io.out(FORCED_TEXT);
  context.io.out(joinText('worker', workerToken, advertiseAddress));
  context.io.out(`To add a manager to this swarm, run 'tsswarm join-token manager' and follow the instructions.\n\n`);
}

const FORCED_TEXT = `It is the only manager of a new cluster, which goes on with the services, networks, nodes and tokens of the old one.

A manager of the old cluster that comes back becomes a worker of the new one when it reaches this node. Where several
could reach each other first, they would go on with the old one: run 'tsswarm leave --force' on them before that, and
let them join anew.

To have several managers again, run 'tsswarm node promote NODE', or 'tsswarm join-token manager' and follow the
instructions.

`;

/** What `init` asks of the daemon. @throws INVALID_ARGUMENT that names the flag and value */
export function initRequest(flags: Flags): InitRequest {
  if (flags.on('force-new-cluster')) refuseWithoutEffect(flags);
  const pools = flags.commaList('default-addr-pool');
  for (const pool of pools) inFlag('default-addr-pool', pool, parseCidr);
  const hasClusterFlags = CLUSTER_FLAGS.some((flag) => flags.has(flag));
  return InitRequest.create({
    advertiseAddress: flags.text('advertise-addr') ?? '',
    listenAddress: flags.text('listen-addr') ?? '',
    dataPathAddress: flags.text('data-path-addr') ?? '',
    dataPathPort: dataPathPort(flags),
    defaultAddressPools: pools,
    subnetSize: flags.integer('default-addr-pool-mask-length', 8, 29) ?? 0,
    availability: availabilityOf(flags) ?? 0,
    spec: hasClusterFlags ? applyClusterFlags(ClusterSpec.create({ name: 'default' }), flags) : undefined,
    forceNewCluster: flags.on('force-new-cluster'),
  });
}

/** What a new cluster keeps of the old one, and how it is changed. */
const KEPT: Readonly<Record<string, string>> = {
  ...Object.fromEntries(CLUSTER_FLAGS.map((flag) => [flag, 'Change it afterwards with "tsswarm swarm update".'])),
  availability: 'Change it afterwards with "tsswarm node update --availability".',
  'data-path-port': 'It is chosen once, when a swarm is made.',
  'default-addr-pool': 'It is chosen once, when a swarm is made.',
  'default-addr-pool-mask-length': 'It is chosen once, when a swarm is made.',
};

function refuseWithoutEffect(flags: Flags): void {
  for (const [flag, hint] of Object.entries(KEPT)) {
    if (!flags.has(flag)) continue;
    throw invalidArgument(
      `--${flag} cannot be used with --force-new-cluster: the new cluster goes on with the state of the old one`,
      { value: `--${flag}`, hint },
    );
  }
}

function dataPathPort(flags: Flags): number {
  const port = flags.integer('data-path-port', 0, 49151) ?? 0;
  if (port > 0 && port < 1024)
    throw invalidArgument(`invalid argument "${port}" for "--data-path-port" flag: must be from 1024 to 49151`, {
      value: String(port),
    });
  return port;
}

export async function joinSwarm(context: Context, addresses: readonly string[], flags: Flags): Promise<void> {
  const token = flags.text('token') ?? '';
  if (token === '')
    throw invalidArgument('the join token is missing', {
      hint: 'Run "tsswarm join-token worker" on a manager; it prints the whole command.',
    });
  if (!JOIN_TOKEN.test(token.trim())) throw invalidArgument('the join token is malformed', { hint: JOIN_TOKEN_HINT });
  const request = JoinSwarmRequest.create({
    token,
    remoteAddresses: addresses.map(withPort),
    advertiseAddress: flags.text('advertise-addr') ?? '',
    listenAddress: flags.text('listen-addr') ?? '',
    dataPathAddress: flags.text('data-path-addr') ?? '',
    availability: availabilityOf(flags) ?? 0,
  });
  context.host = await ensureDaemon(context.io, context.askedHost);
  const { role } = await (await context.agent()).joinSwarm(request);
  context.io.out(`This node joined a swarm as a ${role === NodeRole.MANAGER ? 'manager' : 'worker'}.\n`);
}

/** HOST, HOST:PORT, [IPv6]:PORT or a bare IPv6 address; the port is 2377 when left out. */
export function withPort(address: string): string {
  if (/^(?:\[[^\]]+\]|[^:]+):\d+$/.test(address)) return address;
  if (/^(?:\[[^\]]+\]|[^:\s/]+)$/.test(address)) return `${address}:2377`;
  if (/^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(address)) return `[${address}]:2377`;
  throw invalidArgument(`"${address}" is not an address of a manager`, {
    value: address,
    hint: 'It looks like 192.168.1.10:2377.',
  });
}

export async function leaveSwarm(context: Context, flags: Flags): Promise<void> {
  await (await context.agent()).leaveSwarm({ force: flags.on('force') });
  context.io.out('Node left the swarm.\n');
}
