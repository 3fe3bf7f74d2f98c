import { failedPrecondition, invalidArgument } from '../../lib/errors.js';
import { addressOf, macOf, parseCidr } from '../../lib/ip.js';
import { defaultGateway } from '../../lib/ipam.js';
import {
  type ContainerConfig,
  ContainerEndpoint,
  type ContainerNetwork,
  type LocalNetwork,
  type NetworkAttachment,
  type StoredContainer,
  StoredEndpoint,
} from '../../proto/gen/index.js';
import { newLocalId, shortId } from './names.js';
import { isPredefined } from './networks.js';

/** What a container's network is, from what it asks for. */
export type NetworkMode =
  | { readonly kind: 'networks' }
  | { readonly kind: 'host' | 'none' }
  /** Another container's. */
  | { readonly kind: 'container'; readonly ref: string };

const CONTAINER = 'container:';

/** @throws INVALID_ARGUMENT when modes are mixed, or ask for what they cannot have */
export function networkMode({ networks, ports, publishAll, container }: ContainerConfig): NetworkMode {
  const [first, second] = networks;
  const special = networks.find(({ network }) => ['host', 'none'].includes(network) || network.startsWith(CONTAINER));
  if (!special || !first) return { kind: 'networks' };
  if (second) {
    throw invalidArgument(`conflicting options: container cannot be in network ${special.network} and in another`, {
      value: special.network,
    });
  }
  const { network, aliases, ipv4Address, ipv6Address, mac } = special;
  if (aliases.length > 0 || ipv4Address !== '' || ipv6Address !== '' || mac !== '') {
    throw invalidArgument(`conflicting options: network ${network} has no addresses and aliases to ask for`, {
      value: network,
    });
  }
  if (!network.startsWith(CONTAINER)) return { kind: network === 'host' ? 'host' : 'none' };
  const conflict =
    ports.length > 0 || publishAll
      ? 'port publishing'
      : container.hostname !== ''
        ? 'hostname'
        : container.dns.nameservers.length > 0
          ? 'dns'
          : '';
  if (conflict !== '') {
    throw invalidArgument(`conflicting options: ${conflict} and the container type network mode`, { value: network });
  }
  return { kind: 'container', ref: network.slice(CONTAINER.length) };
}

/**
 * Addresses can be asked for only where the user has chosen the subnet, or at least that there is one.
 * @throws INVALID_ARGUMENT
 */
export function checkAsked(asked: ContainerNetwork, network: LocalNetwork): void {
  if (!isPredefined(network)) return;
  const address = asked.ipv4Address || asked.ipv6Address;
  if (address !== '') {
    throw invalidArgument('user specified IP address is supported on user defined networks only', {
      value: address,
      hint: 'Make one: network create --subnet 10.99.0.0/24 NAME.',
    });
  }
  if (asked.aliases.length > 0) {
    throw invalidArgument('network-scoped alias is supported only for containers in user defined networks', {
      value: asked.aliases[0],
    });
  }
}

/** @throws INVALID_ARGUMENT */
export function checkMac(mac: string): void {
  if (mac === '') return;
  const first = Number.parseInt(mac.slice(0, 2), 16);
  if (/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(mac) && first % 2 === 0) return;
  throw invalidArgument(`"${mac}" is not the MAC address of an interface`, {
    value: mac,
    hint: 'It looks like 02:42:ac:11:00:02; the first byte is even.',
  });
}

export const askedAddresses = ({ ipv4Address, ipv6Address }: ContainerNetwork): string[] =>
  [ipv4Address, ipv6Address].filter((address) => address !== '');

/** The lowest `eth<n>` that none of the endpoints has. */
export function nextInterface(endpoints: readonly StoredEndpoint[]): string {
  const taken = new Set(endpoints.map(({ endpoint }) => endpoint?.interface));
  for (let n = 0; ; n++) if (!taken.has(`eth${n}`)) return `eth${n}`;
}

export interface NewEndpoint {
  readonly asked: ContainerNetwork;
  readonly container: Pick<StoredContainer, 'id'>;
  readonly interface: string;
}

/** In a network of this machine. @param addresses CIDRs */
export function localEndpoint(
  network: LocalNetwork,
  addresses: readonly string[],
  { asked, container, interface: name }: NewEndpoint,
): StoredEndpoint {
  const gateways = network.spec.internal ? [] : network.ipam.map(({ gateway }) => addressOf(gateway));
  return StoredEndpoint.create({
    endpoint: ContainerEndpoint.create({
      networkId: network.id,
      networkName: network.spec.name,
      driver: network.spec.driver,
      interface: network.spec.driver === 'bridge' ? name : '',
      addresses,
      mac: network.spec.driver === 'bridge' ? asked.mac || macOf(addresses[0] ?? '') : '',
      gateway: gateways.find((address) => !address.includes(':')) ?? '',
      gateway6: gateways.find((address) => address.includes(':')) ?? '',
      aliases: isPredefined(network) ? [] : [...new Set([...asked.aliases, shortId(container.id)])],
      endpointId: newLocalId(),
    }),
    internal: network.spec.internal,
  });
}

/** Where the default route leads; over an overlay none does. */
export function gatewayOf(driver: string, internal: boolean, { addresses: [cidr] }: NetworkAttachment): string {
  return driver === 'routed' && !internal && cidr !== undefined ? defaultGateway(parseCidr(cidr)) : '';
}

/** In a network of the swarm, as managers have given it. */
export function swarmEndpoint(
  attachment: NetworkAttachment,
  { driver, ...swarm }: { readonly taskId: string; readonly internal: boolean; readonly driver: string },
  { asked, container, interface: name }: NewEndpoint,
): StoredEndpoint {
  return StoredEndpoint.create({
    endpoint: ContainerEndpoint.create({
      networkId: attachment.networkId,
      networkName: attachment.networkName,
      driver,
      interface: name,
      addresses: attachment.addresses,
      mac: attachment.mac,
      gateway: gatewayOf(driver, swarm.internal, attachment),
      aliases: [...new Set([...asked.aliases, shortId(container.id)])],
      endpointId: newLocalId(),
    }),
    ...swarm,
  });
}

/** @throws FAILED_PRECONDITION */
export function noSuchNetwork(name: string) {
  return failedPrecondition(`network ${name} not found`, {
    value: name,
    hint: 'It is neither one of this machine ("tsswarm network ls") nor an attachable one of its swarm.',
  });
}
