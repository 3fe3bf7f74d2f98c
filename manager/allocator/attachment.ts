import { failedPrecondition, SwarmError } from '../../lib/errors.js';
import { familyOf, macOf } from '../../lib/ip.js';
import { type Network, NetworkAttachment, type NetworkAttachmentConfig, type Task } from '../../proto/gen/index.js';
import { publishesOnIngress } from '../common/tasks.js';
import type { AddressLedger } from './ledger.js';
import { allocated, isOverlay } from './network.js';

export const taskOwner = (id: string) => `task/${id}`;
export const nodeOwner = (id: string) => `node/${id}`;

/** An endpoint in the network, with addresses where the swarm gives them. @throws as AddressLedger.assign */
export function attach(
  ledger: AddressLedger,
  owner: string,
  network: Network,
  config?: NetworkAttachmentConfig,
): NetworkAttachment {
  const addresses = isOverlay(network) ? ledger.assign(owner, network.id, config?.addresses) : [];
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

/** What kept a task from an endpoint: the network to wait for, undefined for an ingress network yet to come. */
export interface Blocked {
  readonly blockedBy: string | undefined;
  readonly why: string;
}

/**
 * The task's endpoints: in its own networks in the order of its spec, then in the ingress network
 * when it is reached through every node. The first network that cannot give one ends it; what the
 * others gave is the owner's still, and the caller's to release.
 */
export function attachTask(
  ledger: AddressLedger,
  task: Task,
  networks: { byId(id: string): Network | undefined; ingress(): Network | undefined },
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
      attachments.push(attach(ledger, taskOwner(task.id), allocated(network), config));
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
