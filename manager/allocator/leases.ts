import { resourceExhausted } from '../../lib/errors.js';
import { type Cidr, formatCidr } from '../../lib/ip.js';
import { defaultGateway, Subnet, type SubnetConfig } from '../../lib/ipam.js';
import { type Partition, virtualPart } from '../common/routed-options.js';
import { nextInTurn } from './turn.js';

/** A node's subnet; its first address is the node's own. */
export type Lease = SubnetConfig;

/** How the words begin for a network all of whose subnets are leased. */
export const NO_FREE_SUBNET = 'no free subnet in network';

/** Which subnets of a routed network are nodes'. Gives the next free one after the last that it gave, as Subnet does. */
export class Leases {
  readonly #partition: Partition;
  readonly #taken = new Map<bigint, Cidr>();
  #last: Cidr;

  constructor(partition: Partition) {
    this.#partition = partition;
    this.#last = virtualPart(partition);
  }

  /** Where virtual addresses of services come from. */
  virtual(): Subnet {
    const cidr = virtualPart(this.#partition);
    return new Subnet({ subnet: formatCidr(cidr), ipRange: '', gateway: '', auxiliaryAddresses: {} });
  }

  /** One that the store says is leased. */
  claim(cidr: Cidr): Lease {
    this.#taken.set(cidr.base, cidr);
    if (cidr.base > this.#last.base) this.#last = cidr;
    return leaseOf(cidr);
  }

  /** @param name of the network @throws RESOURCE_EXHAUSTED */
  take(name: string): Lease {
    const { network, length } = this.#partition;
    const taken = [virtualPart(this.#partition), ...this.#taken.values()];
    const next = nextInTurn([network], length, taken, this.#last);
    if (!next) {
      throw resourceExhausted(
        `${NO_FREE_SUBNET} "${name}" (all ${this.#taken.size} of /${length} in ${formatCidr(network)} are leased to nodes)`,
        { value: name },
      );
    }
    this.#taken.set(next.base, next);
    this.#last = next;
    return leaseOf(next);
  }

  release({ base }: Cidr): void {
    this.#taken.delete(base);
  }
}

const leaseOf = (cidr: Cidr): Lease => ({
  subnet: formatCidr(cidr),
  ipRange: '',
  gateway: defaultGateway(cidr),
  auxiliaryAddresses: {},
});
