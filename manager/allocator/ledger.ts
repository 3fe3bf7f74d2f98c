import { failedPrecondition, resourceExhausted } from '../../lib/errors.js';
import { addressOf, contains, formatCidr, parseAddress } from '../../lib/ip.js';
import { Subnet } from '../../lib/ipam.js';
import type { Network } from '../../proto/gen/index.js';

/**
 * Who has which address of which network. An owner ("task/…", "node/…", "service/…") has at most one
 * address per family in a network; asking again gives the same ones. That makes every step
 * repeatable: what is learned from the store twice is counted once.
 */
export class AddressLedger {
  readonly #networks = new Map<string, { readonly name: string; readonly subnets: readonly Subnet[] }>();
  readonly #owners = new Map<string, Map<string, readonly string[]>>();

  has(networkId: string): boolean {
    return this.#networks.has(networkId);
  }

  /** Makes the pools of an allocated network; nothing changes for a known one. */
  addNetwork(network: Network): void {
    if (this.#networks.has(network.id)) return;
    const subnets = network.ipam.map((config) => new Subnet(config));
    this.#networks.set(network.id, { name: network.spec.name, subnets });
  }

  removeNetwork(networkId: string): void {
    this.#networks.delete(networkId);
    for (const held of this.#owners.values()) held.delete(networkId);
  }

  /** Books addresses that the store says the owner has. False when another owner has one of them. */
  claim(owner: string, networkId: string, addresses: readonly string[]): boolean {
    const network = this.#networks.get(networkId);
    const held = this.#held(owner);
    if (!network || addresses.length === 0 || held.has(networkId)) return true;
    const got = addresses.filter((text) => {
      const address = parseAddress(addressOf(text));
      return network.subnets.some((s) => contains(s.cidr, address) && s.reserve(address.value));
    });
    held.set(networkId, got);
    return got.length === addresses.length;
  }

  /**
   * One address per family, as CIDRs.
   * @param requested the IPv4 or IPv6 address that the user asked for; empty for any
   * @throws RESOURCE_EXHAUSTED when a subnet is used up
   * @throws FAILED_PRECONDITION when the requested one is taken or not in the network
   */
  assign(owner: string, networkId: string, requested = ''): readonly string[] {
    const held = this.#held(owner);
    const before = held.get(networkId);
    if (before) return before;
    const network = this.#networks.get(networkId);
    if (!network) throw failedPrecondition(`network ${networkId} has no addresses yet`, { value: networkId });
    const addresses: string[] = [];
    try {
      for (const family of [4, 6] as const) {
        const subnets = network.subnets.filter((s) => s.cidr.family === family);
        if (subnets.length > 0) addresses.push(this.#take(network.name, subnets, family, requested));
      }
    } catch (error) {
      this.#free(networkId, addresses);
      throw error;
    }
    held.set(networkId, addresses);
    return addresses;
  }

  /** Frees what the owner has, in one network or in all. @returns the networks in which something was freed */
  release(owner: string, networkId?: string): readonly string[] {
    const held = this.#owners.get(owner);
    if (!held) return [];
    const networks = networkId === undefined ? [...held.keys()] : held.has(networkId) ? [networkId] : [];
    for (const id of networks) {
      this.#free(id, held.get(id) ?? []);
      held.delete(id);
    }
    if (held.size === 0) this.#owners.delete(owner);
    return networks;
  }

  /** Call when all that the store knows has been claimed. */
  resume(): void {
    for (const { subnets } of this.#networks.values()) for (const subnet of subnets) subnet.resume();
  }

  /** Networks in which the owner has an address. */
  networksOf(owner: string): readonly string[] {
    return [...(this.#owners.get(owner)?.keys() ?? [])];
  }

  #held(owner: string): Map<string, readonly string[]> {
    let held = this.#owners.get(owner);
    if (!held) {
      held = new Map();
      this.#owners.set(owner, held);
    }
    return held;
  }

  #take(name: string, subnets: readonly Subnet[], family: 4 | 6, requested: string): string {
    if (requested !== '' && parseAddress(requested).family === family) {
      const { value } = parseAddress(requested);
      const subnet = subnets.find((s) => s.reserve(value));
      if (subnet) return subnet.format(value);
      throw failedPrecondition(`address ${requested} is not a free address of network "${name}"`, { value: requested });
    }
    for (const subnet of subnets) {
      const address = subnet.take();
      if (address !== undefined) return subnet.format(address);
    }
    const used = subnets.map((s) => `${formatCidr(s.cidr)}: all ${s.size} in use`).join(', ');
    throw resourceExhausted(`no free address in network "${name}" (${used})`, { value: name });
  }

  #free(networkId: string, addresses: readonly string[]): void {
    for (const text of addresses) {
      const address = parseAddress(addressOf(text));
      const subnet = this.#networks.get(networkId)?.subnets.find((s) => contains(s.cidr, address));
      subnet?.release(address.value);
    }
  }
}
