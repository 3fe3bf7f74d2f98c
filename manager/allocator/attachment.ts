import { failedPrecondition } from '../../lib/errors.js';
import { addressOf, macOf } from '../../lib/ip.js';
import { type Network, NetworkAttachment, type NetworkAttachmentConfig, type Task } from '../../proto/gen/index.js';
import { publishesOnIngress } from '../common/tasks.js';
import type { AddressLedger } from './ledger.js';
import { isOverlay } from './network.js';

export const taskOwner = (id: string) => `task/${id}`;
export const nodeOwner = (id: string) => `node/${id}`;

/** An endpoint in the network, with addresses where the swarm gives them. @throws as AddressLedger.assign */
export function attach(
  ledger: AddressLedger,
  owner: string,
  network: Network,
  config?: NetworkAttachmentConfig,
): NetworkAttachment {
  const addresses = isOverlay(network) ? ledger.assign(owner, network.id) : [];
  const ipv4 = addresses.find((address) => !address.includes(':'));
  return NetworkAttachment.create({
    networkId: network.id,
    networkName: network.spec.name,
    addresses,
    mac: ipv4 === undefined ? '' : macOf(addressOf(ipv4)),
    aliases: config?.aliases ?? [],
    driverOptions: config?.driverOptions ?? {},
  });
}

/**
 * The task's endpoints: in its own networks in the order of its spec, then in the ingress network
 * when it is reached through every node.
 * @throws FAILED_PRECONDITION when a network is missing or not ready, or as AddressLedger.assign
 */
export function attachTask(
  ledger: AddressLedger,
  task: Task,
  networks: { byId(id: string): Network | undefined; ingress(): Network | undefined },
): readonly NetworkAttachment[] {
  const owner = taskOwner(task.id);
  const configs = new Map(task.spec.networks.map((config) => [config.target, config]));
  const attachments = [...configs].map(([id, config]) => {
    const network = networks.byId(id);
    if (!network) throw failedPrecondition(`network ${id} does not exist`, { value: id });
    return attach(ledger, owner, allocated(network), config);
  });
  if (publishesOnIngress(task.endpoint.ports)) {
    const ingress = networks.ingress();
    if (!ingress) throw failedPrecondition('there is no ingress network, which published ports need');
    if (!configs.has(ingress.id)) attachments.push(attach(ledger, owner, allocated(ingress)));
  }
  return attachments;
}

function allocated(network: Network): Network {
  if (network.allocated) return network;
  const why = network.problems.length > 0 ? `: ${network.problems.join('; ')}` : '';
  throw failedPrecondition(`network "${network.spec.name}" is not ready${why}`, { value: network.spec.name });
}
