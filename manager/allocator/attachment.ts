import { failedPrecondition, SwarmError } from '../../lib/errors.js';
import { familyOf, formatAddress, macOf, parseCidr } from '../../lib/ip.js';
import { type Network, NetworkAttachment, type NetworkAttachmentConfig, type Task } from '../../proto/gen/index.js';
import { isRouted } from '../common/routed-options.js';
import { publishesOnIngress } from '../common/tasks.js';
import type { AddressLedger } from './ledger.js';
import { allocated, givesAddresses } from './network.js';

export const taskOwner = (id: string) => `task/${id}`;
export const nodeOwner = (id: string) => `node/${id}`;

/**
 * An endpoint in the network, with addresses where the swarm gives them.
 * @param lessee who has the lease that the addresses are to be of, in a routed network; undefined: none yet
 * @throws as AddressLedger.assign
 */
export function attach(
  ledger: AddressLedger,
  owner: string,
  network: Network,
  config?: NetworkAttachmentConfig,
  lessee?: string,
): NetworkAttachment {
  const isLeft = !givesAddresses(network) || (isRouted(network) && lessee === undefined);
  const addresses = isLeft ? [] : ledger.assign(owner, network.id, config?.addresses, lessee);
  const [first] = [...addresses.filter((address) => familyOf(address) === 4), ...addresses];
  return NetworkAttachment.create({
    networkId: network.id,
    networkName: network.spec.name,
    addresses,
    mac: first === undefined ? '' : macOf(first),
    aliases: config?.aliases ?? [],
    driverOptions: config?.driverOptions ?? {},
  });
}

/** A node's own subnet of a routed network: its first address, and the MAC of the node's VXLAN device. */
export function leaseAttachment(ledger: AddressLedger, owner: string, network: Network): NetworkAttachment {
  const gateway = ledger.lease(owner, network.id);
  const { family, base } = parseCidr(gateway);
  return NetworkAttachment.create({
    networkId: network.id,
    networkName: network.spec.name,
    addresses: [gateway],
    mac: macOf(formatAddress({ family, value: base })),
  });
}

/** What kept a task from an endpoint: the network to wait for, undefined for an ingress network yet to come. */
export interface Blocked {
  readonly blockedBy: string | undefined;
  readonly why: string;
}

export interface Networks {
  byId(id: string): Network | undefined;
  ingress(): Network | undefined;
  /** Who has the lease of a routed network that the task's address is to be of; undefined while it has no node. */
  lessee(network: Network): string | undefined;
}

/**
 * The task's endpoints: in its own networks in the order of its spec, then in the ingress network
 * when it is reached through every node. The first network that cannot give one ends it; what the
 * others gave is the owner's still, and the caller's to release.
 */
export function attachTask(
  ledger: AddressLedger,
  task: Task,
  networks: Networks,
): readonly NetworkAttachment[] | Blocked {
  const configs = new Map<string, NetworkAttachmentConfig | undefined>();
  for (const config of task.spec.networks) configs.set(config.target, config);
  if (publishesOnIngress(task.endpoint.ports)) {
    const ingress = networks.ingress();
    if (!ingress) return { blockedBy: undefined, why: 'there is no ingress network, which published ports need' };
    if (!configs.has(ingress.id)) configs.set(ingress.id, undefined);
  }
  const attachments: NetworkAttachment[] = [];
  for (const [id, config] of configs) {
    try {
      const network = networks.byId(id);
      if (!network) throw failedPrecondition(`network ${id} does not exist`, { value: id });
      const lessee = isRouted(allocated(network)) ? networks.lessee(network) : undefined;
      attachments.push(attach(ledger, taskOwner(task.id), network, config, lessee));
    } catch (error) {
      if (!(error instanceof SwarmError)) throw error;
      return { blockedBy: id, why: error.message };
    }
  }
  return attachments;
}

export function isBlocked(result: readonly NetworkAttachment[] | Blocked): result is Blocked {
  return 'blockedBy' in result;
}
