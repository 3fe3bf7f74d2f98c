import { isDeepStrictEqual } from 'node:util';
import { failedPrecondition, invalidArgument, resourceExhausted } from '../../lib/errors.js';
import { type Cidr, formatCidr, overlaps, parseCidr } from '../../lib/ip.js';
import { defaultGateway, nextSubnet, Subnet } from '../../lib/ipam.js';
import { IPAMConfig, type Network } from '../../proto/gen/index.js';

export const FIRST_VNI = 4096;
const LAST_VNI = 2 ** 24 - 1;
const VNI_OPTION = 'com.docker.network.driver.overlay.vxlanid_list';

/** What the other networks have. */
export interface Occupied {
  readonly subnets: readonly { readonly cidr: Cidr; readonly name: string }[];
  readonly vnis: ReadonlyMap<number, string>;
}

/** Where subnets come from that nobody has chosen. */
export interface SubnetSource {
  readonly pools: readonly Cidr[];
  readonly prefix: number;
}

/** Overlays have a VNI and subnets; `host`, `bridge` and others are each node's own affair. */
export function isOverlay(network: Network): boolean {
  return network.spec.driver === '' || network.spec.driver === 'overlay';
}

/**
 * The network with VNI, subnets and gateways given.
 * @throws FAILED_PRECONDITION when what it asks for is another network's
 * @throws RESOURCE_EXHAUSTED when the default pools are used up
 */
export function allocateNetwork(network: Network, occupied: Occupied, source: SubnetSource): Network {
  if (!isOverlay(network)) return { ...network, allocated: true, problems: [] };
  const vni = network.vni !== 0 ? network.vni : chooseVni(network, occupied);
  const asked = network.spec.ipam.length > 0 ? network.spec.ipam : [IPAMConfig.create()];
  const own: Cidr[] = [];
  const ipam = asked.map((config, i) => {
    const given = network.ipam[i];
    const allocated = given ?? allocateSubnet(config, occupied, own, source);
    own.push(parseCidr(allocated.subnet));
    return allocated;
  });
  const result: Network = { ...network, vni, ipam, allocated: true, problems: [] };
  return isDeepStrictEqual(result, network) ? network : result;
}

function chooseVni(network: Network, { vnis }: Occupied): number {
  const list = network.spec.driverOptions[VNI_OPTION];
  if (list !== undefined && list !== '') {
    const vni = Number(list.split(',')[0]);
    if (!Number.isInteger(vni) || vni < 1 || vni > LAST_VNI)
      throw invalidArgument(`"${list}" is not a VXLAN network identifier`, {
        value: list,
        hint: `${VNI_OPTION} is a number from 1 to ${LAST_VNI}.`,
      });
    const other = vnis.get(vni);
    if (other !== undefined) throw failedPrecondition(`VNI ${vni} is used by network "${other}"`, { value: list });
    return vni;
  }
  for (let vni = FIRST_VNI; vni <= LAST_VNI; vni++) if (!vnis.has(vni)) return vni;
  throw resourceExhausted(`all VXLAN network identifiers from ${FIRST_VNI} to ${LAST_VNI} are used`);
}

function allocateSubnet(config: IPAMConfig, occupied: Occupied, own: readonly Cidr[], source: SubnetSource) {
  const cidr = config.subnet === '' ? chooseSubnet(occupied, own, source) : parseCidr(config.subnet);
  const other = occupied.subnets.find((s) => overlaps(s.cidr, cidr));
  if (other)
    throw failedPrecondition(
      `subnet ${formatCidr(cidr)} overlaps ${formatCidr(other.cidr)} of network "${other.name}"`,
      {
        value: config.subnet,
      },
    );
  const allocated = { ...config, subnet: formatCidr(cidr), gateway: config.gateway || defaultGateway(cidr) };
  new Subnet(allocated); // what does not fit together is refused here, not when a task needs an address
  return allocated;
}

function chooseSubnet(occupied: Occupied, own: readonly Cidr[], { pools, prefix }: SubnetSource): Cidr {
  const cidr = nextSubnet(pools, prefix, [...occupied.subnets.map((s) => s.cidr), ...own]);
  if (cidr) return cidr;
  throw resourceExhausted(`no free /${prefix} subnet in ${pools.map(formatCidr).join(', ')}`, {
    hint: 'Remove a network, or name a subnet outside these pools by --subnet.',
  });
}
