import { type Cidr, familyOf, isAddress, parseCidr } from '../../lib/ip.js';
import type { Cluster, IPAMConfig, Network } from '../../proto/gen/index.js';
import { byAge } from '../common/tasks.js';
import {
  afterNetwork,
  allocateNetwork,
  growNetwork,
  type LastGiven,
  localPool,
  NOTHING_GIVEN,
  type Occupied,
  type SubnetSource,
} from './network.js';

/** The swarm's networks, as far as they are known or decided. */
export class NetworkBook {
  readonly #networks = new Map<string, Network>();
  /** Addresses of nodes: an overlay with one of them would lead the nodes' own traffic astray. */
  readonly #hosts = new Map<string, readonly Cidr[]>();
  #source: SubnetSource = { pools: [], prefix: 24, pool6: undefined };
  #last: LastGiven = NOTHING_GIVEN;

  /** @param networks those that a new leader finds: the newest is what was given last, as far as can be told */
  constructor(networks: Iterable<Network> = []) {
    for (const network of [...networks].sort(byAge)) if (network.allocated) this.#given(network);
  }

  useCluster({ id, defaultAddressPools, subnetSize }: Cluster): void {
    this.#source = { pools: defaultAddressPools.map(parseCidr), prefix: subnetSize, pool6: localPool(id) };
  }

  get(id: string): Network | undefined {
    return this.#networks.get(id);
  }

  set(network: Network): void {
    this.#networks.set(network.id, network);
  }

  /** Subnets that nobody has chosen have none of these addresses in them. @param nodeId whose they are */
  avoid(nodeId: string, addresses: readonly string[]): void {
    const hosts = addresses.filter(isAddress).map((text) => parseCidr(`${text}/${bitsOf(text)}`));
    if (hosts.length > 0) this.#hosts.set(nodeId, hosts);
    else this.#hosts.delete(nodeId);
  }

  delete(id: string): void {
    this.#networks.delete(id);
  }

  ingress(): Network | undefined {
    for (const network of this.#networks.values()) if (network.spec.ingress && network.allocated) return network;
    return undefined;
  }

  /** Networks that have not got what they ask for. */
  *waiting(): Iterable<string> {
    for (const network of this.#networks.values()) if (!network.allocated) yield network.id;
  }

  /** The network with all that it asks for. @throws as allocateNetwork */
  allocate(network: Network): Network {
    const given = allocateNetwork(network, this.#occupied(network.id), this.#source, this.#last);
    this.#given(given);
    return given;
  }

  /** The network with one more subnet. @throws as growNetwork */
  grow(network: Network): Network {
    const grown = growNetwork(network, this.#occupied(network.id), this.#source, this.#last);
    this.#given(grown);
    return grown;
  }

  #given(network: Network): void {
    this.#last = afterNetwork(this.#last, network);
  }

  #occupied(except: string): Occupied {
    const others = [...this.#networks.values()].filter((n) => n.id !== except && n.allocated);
    return {
      subnets: others.flatMap((n) => n.ipam.map((config) => ({ cidr: subnetOf(config), name: n.spec.name }))),
      hosts: [...this.#hosts.values()].flat(),
      vnis: new Map(others.filter((n) => n.vni !== 0).map((n) => [n.vni, n.spec.name])),
    };
  }
}

const bitsOf = (address: string): number => (familyOf(address) === 4 ? 32 : 128);

const subnets = new WeakMap<IPAMConfig, Cidr>();

/** Each network's is looked at for each new one: it is parsed once. */
function subnetOf(config: IPAMConfig): Cidr {
  const known = subnets.get(config);
  if (known) return known;
  const cidr = parseCidr(config.subnet);
  subnets.set(config, cidr);
  return cidr;
}
