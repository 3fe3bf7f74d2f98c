import { deferred } from '../../lib/async.js';
import { failedPrecondition, unavailable } from '../../lib/errors.js';
import { type ContainerNetwork, type LocalNetwork, RunPhase, type StoredContainer } from '../../proto/gen/index.js';
import { networkHappening } from '../events/networks.js';
import type { Containers } from './containers.js';
import { checkMac, networkMode } from './endpoints.js';
import { networksOf } from './housing.js';
import { networkIfKnown, networkUsers } from './network-views.js';
import { refusePredefined } from './networks.js';
import type { ContainerRunner } from './runner.js';

/** How long a running container waits for its new endpoint. */
const PATIENCE_MS = 15_000;
const NONE = 'none';

/** @throws FAILED_PRECONDITION, INVALID_ARGUMENT, what managers say; the container is as before then */
export async function connect(
  containers: Containers,
  runner: ContainerRunner,
  asked: ContainerNetwork,
  signal: AbortSignal,
): Promise<void> {
  checkMac(asked.mac);
  const { name } = runner.record.config;
  const network = networkIfKnown(containers, asked.network);
  if (network && ['host', 'null'].includes(network.spec.driver)) {
    throw failedPrecondition(`container cannot be connected to ${network.spec.name} network`, { value: asked.network });
  }
  const wanted = network ? { ...asked, network: network.spec.name } : asked;
  let giveBack = () => {};
  const change = async (record: StoredContainer): Promise<StoredContainer> => {
    refuseShared(record);
    if (isIn(containers, record, wanted.network)) {
      throw failedPrecondition(`endpoint with name ${name} already exists in network ${wanted.network}`, {
        value: wanted.network,
      });
    }
    const networks = [...networksOf(record).filter((other) => other.network !== NONE), wanted];
    const config = { ...record.config, networks };
    if (record.phase === RunPhase.IDLE) {
      containers.quarters.reserve(record, wanted);
      giveBack = () => containers.quarters.unreserve(record, [wanted]);
      return { ...record, config };
    }
    const wired = record.endpoints.filter(({ endpoint }) => endpoint.driver !== 'null');
    await containers.left(record);
    const endpoint = await containers.quarters.attach(record, wanted, wired, signal);
    giveBack = () => containers.giveBack(record, [endpoint]);
    return { ...record, config, endpoints: [...wired, endpoint] };
  };
  try {
    await runner.change(change);
  } catch (error) {
    giveBack();
    throw error;
  }
  if (runner.record.phase === RunPhase.IDLE) return;
  try {
    await housed(containers, runner);
  } catch (error) {
    await disconnect(containers, runner, wanted.network, true);
    throw error;
  }
}

/** @param force also when it is not connected @throws FAILED_PRECONDITION when it is not connected */
export async function disconnect(
  containers: Containers,
  runner: ContainerRunner,
  ref: string,
  force: boolean,
): Promise<void> {
  const name = networkIfKnown(containers, ref)?.spec.name ?? ref;
  let giveBack = () => {};
  await runner.change(async (record) => {
    refuseShared(record);
    if (!isIn(containers, record, name)) {
      if (force) return record;
      throw failedPrecondition(`container ${record.config.name} is not connected to network ${name}`, { value: ref });
    }
    const left = networksOf(record).filter((other) => other.network !== name);
    const gone = networksOf(record).filter((other) => other.network === name);
    const lost = record.endpoints.filter(({ endpoint }) => endpoint.networkName === name);
    giveBack = () => {
      containers.giveBack(record, lost);
      containers.quarters.unreserve(record, gone);
    };
    // Without any it would be in the default network at its next start.
    const networks =
      left.length > 0 ? left : [{ network: NONE, ipv4Address: '', ipv6Address: '', mac: '', aliases: [] }];
    const endpoints = record.endpoints.filter((endpoint) => !lost.includes(endpoint));
    return { ...record, endpoints, config: { ...record.config, networks } };
  });
  // On disk it has them no more before others can get them.
  giveBack();
  if (runner.record.phase === RunPhase.IDLE) return;
  await containers.options.network.changed();
  await renewNames(containers, runner.record);
}

/** @throws FAILED_PRECONDITION that names who uses it */
export async function removeNetwork(containers: Containers, network: LocalNetwork): Promise<void> {
  if (network.spec.driver === 'overlay' || !containers.networks.get(network.id)) {
    throw failedPrecondition(`network ${network.spec.name} is the swarm's: it is not removed on one machine`, {
      value: network.spec.name,
      hint: 'Ask a manager: tsswarm network rm there.',
    });
  }
  refusePredefined(network);
  await containers.networkChanges.run(async () => {
    const users = networkUsers(containers, network).map(
      ({ containerName, containerId }) => `${containerName} (${containerId.slice(0, 12)})`,
    );
    if (users.length > 0) {
      throw failedPrecondition(`network ${network.spec.name} has active endpoints: ${users.join(', ')}`, {
        value: network.spec.name,
        hint: 'Stop these containers, or disconnect them from it.',
      });
    }
    await containers.networks.remove(network);
    containers.quarters.book.drop(network.id);
  });
  containers.options.events.tell(networkHappening('destroy', network));
  await containers.options.network.changed();
}

function refuseShared({ config }: StoredContainer): void {
  const { kind } = networkMode(config);
  if (kind !== 'host' && kind !== 'container') return;
  throw failedPrecondition(
    'container sharing network namespace with another container or host cannot be connected to any other network',
    { value: config.name },
  );
}

function isIn(containers: Containers, record: StoredContainer, name: string): boolean {
  return networksOf(record).some(({ network }) => (networkIfKnown(containers, network)?.spec.name ?? network) === name);
}

/** Resolves when its namespace has all its endpoints. @throws why it cannot have them */
async function housed(containers: Containers, runner: ContainerRunner): Promise<void> {
  const { clock, network } = containers.options;
  const deadline = clock.monotonic() + PATIENCE_MS;
  await network.changed();
  for (;;) {
    const view = containers.sandbox(runner.record);
    if (view.state === 'ready' || runner.record.phase === RunPhase.IDLE) break;
    if (view.state === 'problem') throw failedPrecondition(`network: ${view.message}`);
    if (clock.monotonic() >= deadline) throw unavailable('the endpoint has not come to this machine in time');
    const changed = deferred<void>();
    const cancel = clock.after(PATIENCE_MS, () => changed.resolve());
    containers.onceNetworkChanged(() => changed.resolve());
    await changed.promise;
    cancel();
  }
  await renewNames(containers, runner.record);
}

async function renewNames(containers: Containers, record: StoredContainer): Promise<void> {
  await containers.options.executor.setNames(record.id, await containers.settings(record));
}
