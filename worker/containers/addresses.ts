import { failedPrecondition, invalidArgument, resourceExhausted } from '../../lib/errors.js';
import { addressOf, contains, parseAddress } from '../../lib/ip.js';
import { Subnet } from '../../lib/ipam.js';
import type { LocalNetwork } from '../../proto/gen/index.js';

interface Pool {
  readonly network: LocalNetwork;
  readonly subnets: readonly Subnet[];
  /** Containers' ids by address. */
  readonly owners: Map<string, string>;
}

/** Who has which address in the networks of this machine. An address belongs to a container, and is given once. */
export class AddressBook {
  readonly #pools = new Map<string, Pool>();

  add(network: LocalNetwork): void {
    this.#pools.set(network.id, { network, subnets: network.ipam.map((ipam) => new Subnet(ipam)), owners: new Map() });
  }

  drop(networkId: string): void {
    this.#pools.delete(networkId);
  }

  /**
   * Keeps an address for a container, which may have it already.
   * @returns it as CIDR
   * @throws INVALID_ARGUMENT outside of the network's subnets, FAILED_PRECONDITION when it is taken
   */
  reserve(networkId: string, address: string, owner: string): string {
    const { network, subnets, owners } = this.#pool(networkId);
    const parsed = parseAddress(addressOf(address));
    const subnet = subnets.find(({ cidr }) => contains(cidr, parsed));
    if (!subnet) {
      throw invalidArgument(
        `invalid endpoint settings: no configured subnet of network ${network.spec.name} contains IP address ${addressOf(address)}`,
        { value: addressOf(address), hint: `Its subnets: ${network.ipam.map((ipam) => ipam.subnet).join(', ')}.` },
      );
    }
    const cidr = subnet.format(parsed.value);
    const has = owners.get(cidr);
    if (has === owner) return cidr;
    if (has !== undefined) throw new AddressTaken(addressOf(cidr), has);
    if (!subnet.reserve(parsed.value)) {
      throw failedPrecondition(`address ${addressOf(cidr)} is kept back in network ${network.spec.name}`, {
        value: addressOf(cidr),
        hint: 'It is the gateway, or an auxiliary address.',
      });
    }
    owners.set(cidr, owner);
    return cidr;
  }

  /**
   * One address of each of the network's families, upwards from the last that was given.
   * @param kept addresses that the container has in it already
   * @returns CIDRs, IPv4 first
   * @throws RESOURCE_EXHAUSTED
   */
  take(networkId: string, kept: readonly string[], owner: string): string[] {
    const { network, subnets, owners } = this.#pool(networkId);
    const given = [...kept];
    const families = new Set(kept.map((cidr) => parseAddress(addressOf(cidr)).family));
    for (const subnet of subnets) {
      if (families.has(subnet.cidr.family)) continue;
      const address = subnet.take();
      if (address === undefined) {
        this.release(
          networkId,
          given.filter((cidr) => !kept.includes(cidr)),
          owner,
        );
        throw resourceExhausted(`no available IPv${subnet.cidr.family} addresses in network ${network.spec.name}`, {
          value: network.spec.name,
          hint: 'Remove containers from it, or make a network with a larger subnet.',
        });
      }
      families.add(subnet.cidr.family);
      given.push(subnet.format(address));
      owners.set(subnet.format(address), owner);
    }
    return given.sort((a, b) => Number(a.includes(':')) - Number(b.includes(':')));
  }

  release(networkId: string, cidrs: readonly string[], owner: string): void {
    const pool = this.#pools.get(networkId);
    if (!pool) return;
    for (const cidr of cidrs) {
      if (pool.owners.get(cidr) !== owner) continue;
      pool.owners.delete(cidr);
      const address = parseAddress(addressOf(cidr));
      pool.subnets.find((subnet) => contains(subnet.cidr, address))?.release(address.value);
    }
  }

  /** After what is on record has been reserved: what was given last, as far as can be told, is given last again. */
  resume(): void {
    for (const { subnets } of this.#pools.values()) for (const subnet of subnets) subnet.resume();
  }

  #pool(networkId: string): Pool {
    const pool = this.#pools.get(networkId);
    if (!pool) throw failedPrecondition(`network ${networkId} gives no addresses`, { value: networkId });
    return pool;
  }
}

/** An address that another container has; who asks for it puts the name in. */
export class AddressTaken extends Error {
  override readonly name = 'AddressTaken';
  readonly address: string;
  /** Id of the container. */
  readonly owner: string;

  constructor(address: string, owner: string) {
    super(`address ${address} is in use by container ${owner}`);
    this.address = address;
    this.owner = owner;
  }
}
