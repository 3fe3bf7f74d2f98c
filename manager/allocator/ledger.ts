import { failedPrecondition, resourceExhausted } from '../../lib/errors.js';
import { addressOf, contains, familyOf, formatCidr, parseAddress, parseCidr } from '../../lib/ip.js';
import { Subnet } from '../../lib/ipam.js';
import type { IPAMConfig, Network } from '../../proto/gen/index.js';
import { isRouted, partitionOf } from '../common/routed-options.js';
import { type Lease, Leases, NO_FREE_SUBNET } from './leases.js';

interface Pool {
  readonly subnet: Subnet;
  /** Whose lease it is; undefined: the network's own. */
  readonly lessee: string | undefined;
  /** Addresses that it had to give at first. */
  readonly capacity: number;
}

interface KnownNetwork {
  readonly name: string;
  readonly pools: Pool[];
  /** Set where nodes have leases. */
  readonly leases: Leases | undefined;
  /** Addresses that nobody is given, with what they are: "the gateway". */
  readonly reserved: Map<string, string>;
}

const EXHAUSTED = 'no free address in network';

/** Whether these are the words for a network that is used up. */
export const isNoFreeAddress = (message: string): boolean =>
  message.startsWith(EXHAUSTED) || message.startsWith(NO_FREE_SUBNET);

/**
 * Who has which address of which network. An owner ("task/…", "node/…", "service/…") has at most one
 * address per family in a network; asking again gives the same ones. That makes every step
 * repeatable: what is learned from the store twice is counted once.
 */
export class AddressLedger {
  readonly #networks = new Map<string, KnownNetwork>();
  readonly #owners = new Map<string, Map<string, readonly string[]>>();
  readonly #describe: (owner: string) => string;

  /** @param describe an owner in words, for who asks for its address: `service "db"` */
  constructor(describe: (owner: string) => string = (owner) => owner) {
    this.#describe = describe;
  }

  has(networkId: string): boolean {
    return this.#networks.has(networkId);
  }

  /** Makes the pools of an allocated network; of a known one, those of the subnets that it has got since. */
  addNetwork(network: Network): void {
    const known = this.#networks.get(network.id);
    if (known) {
      if (!known.leases) for (const config of network.ipam.slice(known.pools.length)) addSubnet(known, config);
      return;
    }
    const leases = isRouted(network) ? new Leases(partitionOf({ ...network.spec, ipam: network.ipam })) : undefined;
    const added: KnownNetwork = { name: network.spec.name, pools: [], leases, reserved: new Map() };
    if (leases) added.pools.push(newPool(leases.virtual()));
    for (const config of network.ipam) leases ? reserveNamed(added, config) : addSubnet(added, config);
    this.#networks.set(network.id, added);
  }

  removeNetwork(networkId: string): void {
    this.#networks.delete(networkId);
    for (const [owner, held] of this.#owners) if (held.delete(networkId) && held.size === 0) this.#owners.delete(owner);
  }

  /** Books addresses that the store says the owner has. False when another owner has one of them. */
  claim(owner: string, networkId: string, addresses: readonly string[]): boolean {
    const network = this.#networks.get(networkId);
    if (!network || addresses.length === 0 || this.#owners.get(owner)?.has(networkId)) return true;
    const got = addresses.filter((text) => reserve(network, addressOf(text)) !== undefined);
    this.#hold(owner, networkId, got);
    // What is left of a lease that is given up belongs to nobody.
    const lost = network.leases ? addresses.filter((text) => poolOf(network, text) === undefined) : [];
    return got.length + lost.length === addresses.length;
  }

  /** Books the lease that the store says the owner has. @param gateway its first address, as a CIDR */
  claimLease(owner: string, networkId: string, gateway: string): void {
    const network = this.#networks.get(networkId);
    if (!network?.leases || this.held(owner, networkId)) return;
    this.#addLease(owner, networkId, network, network.leases.claim(parseCidr(gateway)));
  }

  /**
   * The first address of the owner's subnet of a routed network, as a CIDR; the same when it has one.
   * @throws RESOURCE_EXHAUSTED when all subnets are leased
   */
  lease(owner: string, networkId: string): string {
    const [before] = this.held(owner, networkId) ?? [];
    if (before !== undefined) return before;
    const network = this.#networks.get(networkId);
    if (!network?.leases) throw failedPrecondition(`network ${networkId} has no leases yet`, { value: networkId });
    return this.#addLease(owner, networkId, network, network.leases.take(network.name));
  }

  #addLease(lessee: string, networkId: string, { pools }: KnownNetwork, lease: Lease): string {
    const subnet = new Subnet(lease);
    pools.push({ subnet, lessee, capacity: subnet.free });
    const gateway = subnet.format(parseAddress(lease.gateway).value);
    this.#hold(lessee, networkId, [gateway]);
    return gateway;
  }

  /**
   * One address per family, as CIDRs.
   * @param requested addresses that the user asked for, of each family one at most; of the others any
   * @param lessee whose lease they are to be of; undefined: the network's own subnets
   * @throws RESOURCE_EXHAUSTED when a family's subnets are used up
   * @throws FAILED_PRECONDITION when a requested one is taken, with who has it, or is not in the network
   */
  assign(
    owner: string,
    networkId: string,
    requested: readonly string[] = [],
    lessee: string | undefined = undefined,
  ): readonly string[] {
    const before = this.held(owner, networkId);
    if (before) return before;
    const network = this.#networks.get(networkId);
    if (!network) throw failedPrecondition(`network ${networkId} has no addresses yet`, { value: networkId });
    const addresses: string[] = [];
    try {
      for (const family of [4, 6] as const) {
        const pools = network.pools.filter((pool) => pool.lessee === lessee && pool.subnet.cidr.family === family);
        const asked = requested.find((text) => familyOf(text) === family);
        if (asked !== undefined) addresses.push(this.#takeThis(networkId, network, asked));
        else if (pools.length > 0) addresses.push(takeAny(network.name, pools));
      }
    } catch (error) {
      this.#free(networkId, addresses);
      throw error;
    }
    this.#hold(owner, networkId, addresses);
    return addresses;
  }

  /**
   * Puts a requested address in the place of the one of its family that the owner has; when it cannot be
   * had, the owner keeps what it has. @returns whether an address was freed
   * @throws FAILED_PRECONDITION as `assign`
   */
  exchange(owner: string, networkId: string, asked: string): boolean {
    const before = this.held(owner, networkId) ?? [];
    const network = this.#networks.get(networkId);
    if (!network || before.some((text) => addressOf(text) === asked)) return false;
    const taken = this.#takeThis(networkId, network, asked);
    const old = before.filter((text) => familyOf(text) === familyOf(asked));
    this.#free(networkId, old);
    const kept = before.filter((text) => !old.includes(text));
    this.#hold(owner, networkId, familyOf(asked) === 4 ? [taken, ...kept] : [...kept, taken]);
    return old.length > 0;
  }

  /** How many more owners can have addresses in the network: one of each family that it has. */
  room(networkId: string): number {
    const free = new Map<number, number>();
    for (const { subnet, lessee } of this.#networks.get(networkId)?.pools ?? [])
      if (lessee === undefined) free.set(subnet.cidr.family, (free.get(subnet.cidr.family) ?? 0) + subnet.free);
    return free.size === 0 ? 0 : Math.min(...free.values());
  }

  /** What the owner has in a network. */
  held(owner: string, networkId: string): readonly string[] | undefined {
    return this.#owners.get(owner)?.get(networkId);
  }

  /** Frees what the owner has, in one network or in all. @returns the networks in which something was freed */
  release(owner: string, networkId?: string): readonly string[] {
    const held = this.#owners.get(owner);
    if (!held) return [];
    const networks = networkId === undefined ? [...held.keys()] : held.has(networkId) ? [networkId] : [];
    for (const id of networks) {
      this.#free(id, held.get(id) ?? []);
      held.delete(id);
      this.#endLease(id, owner);
    }
    if (held.size === 0) this.#owners.delete(owner);
    return networks;
  }

  /** Call when all that the store knows has been claimed. */
  resume(): void {
    for (const { pools } of this.#networks.values()) for (const { subnet } of pools) subnet.resume();
  }

  /** Networks in which the owner has an address. */
  networksOf(owner: string): readonly string[] {
    return [...(this.#owners.get(owner)?.keys() ?? [])];
  }

  /** All that is held, as `owner network address`, and how many addresses each network has free: for comparison. */
  *entries(): Iterable<string> {
    for (const [owner, held] of this.#owners)
      for (const [network, addresses] of held) for (const address of addresses) yield `${owner} ${network} ${address}`;
    for (const [id, { pools }] of this.#networks)
      for (const { subnet, capacity } of pools) yield `${id} ${formatCidr(subnet.cidr)} ${capacity - subnet.free} used`;
  }

  /** Addresses in it are nobody's any more: the subnet may be another's before their owners say that they are gone. */
  #endLease(networkId: string, owner: string): void {
    const network = this.#networks.get(networkId);
    const at = network?.pools.findIndex(({ lessee }) => lessee === owner) ?? -1;
    const [pool] = at < 0 ? [] : (network?.pools.splice(at, 1) ?? []);
    if (!pool) return;
    network?.leases?.release(pool.subnet.cidr);
    for (const [other, held] of this.#owners) {
      const addresses = held.get(networkId);
      if (!addresses?.some((text) => contains(pool.subnet.cidr, parseAddress(addressOf(text))))) continue;
      held.delete(networkId);
      if (held.size === 0) this.#owners.delete(other);
    }
  }

  #hold(owner: string, networkId: string, addresses: readonly string[]): void {
    const held = this.#owners.get(owner);
    if (held) held.set(networkId, addresses);
    else this.#owners.set(owner, new Map([[networkId, addresses]]));
  }

  #takeThis(networkId: string, network: KnownNetwork, asked: string): string {
    const taken = reserve(network, asked);
    if (taken !== undefined) return taken;
    const who = network.reserved.get(asked) ?? this.#holder(networkId, asked);
    const why = who === undefined ? 'is not in one of its subnets' : `is taken: it is ${who}`;
    throw failedPrecondition(`address ${asked} of network "${network.name}" ${why}`, { value: asked });
  }

  #holder(networkId: string, address: string): string | undefined {
    for (const [owner, held] of this.#owners)
      if (held.get(networkId)?.some((text) => addressOf(text) === address)) return `that of ${this.#describe(owner)}`;
    return undefined;
  }

  #free(networkId: string, addresses: readonly string[]): void {
    for (const text of addresses) {
      const network = this.#networks.get(networkId);
      const pool = network && poolOf(network, text);
      pool?.subnet.release(parseAddress(addressOf(text)).value);
    }
  }
}

const newPool = (subnet: Subnet): Pool => ({ subnet, lessee: undefined, capacity: subnet.free });

function addSubnet(network: KnownNetwork, config: IPAMConfig): void {
  network.pools.push(newPool(new Subnet(config)));
  reserveNamed(network, config);
}

function reserveNamed({ reserved }: KnownNetwork, { gateway, auxiliaryAddresses }: IPAMConfig): void {
  if (gateway !== '') reserved.set(addressOf(gateway), 'the gateway');
  for (const [name, a] of Object.entries(auxiliaryAddresses)) reserved.set(addressOf(a), `auxiliary address "${name}"`);
}

/** Takes this very address, as a CIDR; undefined when it is taken or in no subnet. */
function reserve(network: KnownNetwork, text: string): string | undefined {
  const address = parseAddress(text);
  const pool = poolOf(network, text);
  return pool?.subnet.reserve(address.value) ? pool.subnet.format(address.value) : undefined;
}

/** @param text an address, or a CIDR of one */
function poolOf({ pools }: KnownNetwork, text: string): Pool | undefined {
  const address = parseAddress(addressOf(text));
  return pools.find(({ subnet }) => contains(subnet.cidr, address));
}

/** From the first subnet that has room. */
function takeAny(name: string, pools: readonly Pool[]): string {
  for (const { subnet } of pools) {
    const address = subnet.take();
    if (address !== undefined) return subnet.format(address);
  }
  const used = pools.map(({ subnet, capacity }) => `${formatCidr(subnet.cidr)}: ${capacity} of ${capacity} used`);
  throw resourceExhausted(`${EXHAUSTED} "${name}" (${used.join(', ')})`, { value: name });
}
