import { createHash } from 'node:crypto';
import { addressOf, formatCidr, parseCidr } from '../../lib/ip.js';
import { GATEWAY_BRIDGE, INGRESS_NAMESPACE } from '../../netlb/names.js';
import {
  ContainerEndpoint,
  IPAMConfig,
  LocalNetwork,
  LocalNetworkUser,
  type NetworkRecord,
  NetworkSpec,
} from '../../proto/gen/index.js';
import { taskName } from '../../proto/task-names.js';
import { isAttachment, needsSandbox } from '../agent/local-task.js';
import { ICC, MASQUERADE, NAME } from './bridge-options.js';
import type { Containers } from './containers.js';
import { gatewayAddressIn } from './info.js';
import { shortId } from './names.js';
import { findRef, resolveRef } from './refs.js';

/** This machine's networks, and those of its swarm that it knows. */
export function allNetworks(containers: Containers): LocalNetwork[] {
  const swarm = containers.options.swarm();
  const known = (swarm?.networks() ?? []).map(swarmNetwork);
  return [...containers.networks.all(), ...(swarm ? [gatewayNetwork(containers)] : []), ...known];
}

/** @throws NOT_FOUND, FAILED_PRECONDITION when several fit */
export function findNetwork(containers: Containers, ref: string): LocalNetwork {
  const refs = allNetworks(containers).map((network) => ({ id: network.id, name: network.spec.name, network }));
  return resolveRef('network', refs, ref).network;
}

/** As findNetwork, but undefined when there is none. */
export function networkIfKnown(containers: Containers, ref: string): LocalNetwork | undefined {
  const refs = allNetworks(containers).map((network) => ({ id: network.id, name: network.spec.name, network }));
  return findRef('network', refs, ref)?.network;
}

/** Who has an endpoint in a network now. */
export function networkUsers(containers: Containers, network: LocalNetwork): LocalNetworkUser[] {
  if (network.spec.name === GATEWAY_BRIDGE && network.spec.driver === 'bridge') return gatewayUsers(containers);
  const local = containers
    .records()
    .flatMap((record) =>
      record.endpoints
        .filter(({ endpoint }) => endpoint.networkId === network.id)
        .map(({ endpoint }) =>
          LocalNetworkUser.create({ containerId: record.id, containerName: record.config.name, endpoint }),
        ),
    );
  const swarm = containers.options.swarm();
  const tasks = (swarm?.tasks() ?? []).filter((task) => needsSandbox(task) && !isAttachment(task.task));
  const ofTasks = tasks.flatMap(({ task }) =>
    task.networks
      .filter(({ networkId }) => networkId === network.id)
      .map(({ addresses, mac }, index) =>
        LocalNetworkUser.create({
          containerId: task.id,
          containerName: taskName(task),
          endpoint: endpointOf(network, `${task.id}/${index}`, addresses, mac),
        }),
      ),
  );
  // In a routed network the node's own endpoint is its lease, which is on no interface of a container.
  const own = (network.spec.driver === 'overlay' ? (swarm?.attachments() ?? []) : [])
    .filter(({ networkId }) => networkId === network.id)
    .map(({ addresses, mac }) =>
      LocalNetworkUser.create({
        containerId: 'ingress-sbox',
        containerName: 'ingress-endpoint',
        endpoint: endpointOf(network, 'ingress-sbox', addresses, mac),
      }),
    );
  return [...local, ...ofTasks, ...own];
}

function swarmNetwork(record: NetworkRecord): LocalNetwork {
  const { id, name, ipam, internal, ingress, attachable, ipv6, driver, driverOptions } = record;
  const spec = NetworkSpec.create({
    name,
    driver: driver || 'overlay',
    scope: 'swarm',
    internal,
    ingress,
    attachable,
    ipv6,
    ipam,
    driverOptions,
  });
  return LocalNetwork.create({ id, spec, ipam });
}

/** The way out of the swarm's containers. Its id is told from this machine's default network, so that it stays. */
function gatewayNetwork(containers: Containers): LocalNetwork {
  const { gatewayBridge } = containers.options;
  const seed = containers.networks.named('bridge')?.id ?? '';
  const driverOptions = { [NAME]: GATEWAY_BRIDGE, [ICC]: 'false', [MASQUERADE]: 'true' };
  return LocalNetwork.create({
    id: hexDigest(`${GATEWAY_BRIDGE}/${seed}`),
    spec: NetworkSpec.create({ name: GATEWAY_BRIDGE, driver: 'bridge', scope: 'local', driverOptions }),
    ipam: [IPAMConfig.create({ subnet: formatCidr(parseCidr(gatewayBridge)), gateway: addressOf(gatewayBridge) })],
    bridge: GATEWAY_BRIDGE,
  });
}

function gatewayUsers(containers: Containers): LocalNetworkUser[] {
  const network = gatewayNetwork(containers);
  const tasks = (containers.options.swarm()?.tasks() ?? []).filter(
    (local) => needsSandbox(local) && !isAttachment(local.task),
  );
  const sandboxes = [
    ...containers.records().map(({ id }) => ({ id, sandbox: shortId(id), name: `gateway_${shortId(id)}` })),
    ...tasks.map(({ task }) => ({ id: task.id, sandbox: task.id, name: `gateway_${shortId(task.id)}` })),
    { id: 'ingress-sbox', sandbox: INGRESS_NAMESPACE, name: 'gateway_ingress-sbox' },
  ];
  return sandboxes.flatMap(({ id, sandbox, name }) => {
    const file = containers.options.plane.namespacePath(sandbox);
    const { address, mac } = gatewayAddressIn(file, containers.options.gatewayBridge);
    if (address === '') return [];
    const endpoint = endpointOf(network, id, [address], mac);
    return [LocalNetworkUser.create({ containerId: id, containerName: name, endpoint })];
  });
}

function endpointOf(
  network: LocalNetwork,
  owner: string,
  addresses: readonly string[],
  mac: string,
): ContainerEndpoint {
  return ContainerEndpoint.create({
    networkId: network.id,
    networkName: network.spec.name,
    driver: network.spec.driver,
    addresses,
    mac,
    endpointId: hexDigest(`${network.id}/${owner}`),
  });
}

function hexDigest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
