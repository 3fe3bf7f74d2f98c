import { invalidArgument, SwarmError } from '../../lib/errors.js';
import { type Cidr, contains, familyOf, formatCidr, parseAddress, parseCidr } from '../../lib/ip.js';
import type { Network, NetworkSpec } from '../../proto/gen/index.js';
import { askedVni, checkMtuOption, MTU_OPTION, VNI_OPTION } from './overlay-options.js';

/** Networks whose nodes have a subnet each and route to the others' (flannel's model). */
export const ROUTED = 'routed';

const BACKEND_OPTION = 'backend';
const LENGTH_OPTION = 'subnet-length';
const OPTIONS: readonly string[] = [BACKEND_OPTION, LENGTH_OPTION, MTU_OPTION, VNI_OPTION];
const DEFAULT_LENGTH = 24;
/** A gateway and five containers. */
const LONGEST = 29;
/** How many nodes the smallest subnet shall have room for, as a power of two: one part is for virtual addresses. */
const LEAST_BITS = 2;

/** How packets get from node to node: in VXLAN, or by routes alone. */
export type RoutedBackend = 'vxlan' | 'host-gw';

type DriverSpec = Pick<NetworkSpec, 'driver' | 'driverOptions' | 'ipam'>;

export const isRouted = ({ spec }: { readonly spec: Pick<NetworkSpec, 'driver'> }): boolean => spec.driver === ROUTED;

/** What a routed network is parted into. */
export interface Partition {
  readonly network: Cidr;
  /** Length of the prefix of a node's subnet. */
  readonly length: number;
}

/** @throws INVALID_ARGUMENT, UNIMPLEMENTED for what routed networks have not */
export function checkRoutedSpec(spec: NetworkSpec): void {
  const { name, driverOptions, ipam, ipv6, disableIpv4, ingress } = spec;
  if (ingress) throw invalidArgument('the ingress network is an overlay', { value: name, hint: 'Use -d overlay.' });
  for (const option of Object.keys(driverOptions)) {
    if (!OPTIONS.includes(option)) {
      throw invalidArgument(`"${option}" is not an option of routed networks`, {
        value: option,
        hint: `There are ${OPTIONS.slice(0, -1).join(', ')} and ${OPTIONS.at(-1)}.`,
      });
    }
  }
  const backend = backendOf(spec);
  if (ipv6 || disableIpv4) {
    throw new SwarmError('UNIMPLEMENTED', 'routed networks have IPv4 only in this version', {
      value: name,
      hint: 'Leave --ipv6 out, or use -d overlay.',
    });
  }
  if (driverOptions[MTU_OPTION] !== undefined) checkMtuOption(driverOptions[MTU_OPTION], false);
  if (askedVni(spec) !== undefined && backend !== 'vxlan') {
    throw invalidArgument(`a network with backend ${backend} has no VXLAN network identifier`, {
      value: driverOptions[VNI_OPTION],
      hint: `Leave ${VNI_OPTION} out, or use backend=vxlan.`,
    });
  }
  const [config, second] = ipam;
  if (!config || config.subnet === '' || second) {
    throw invalidArgument(`routed network ${name} needs one subnet, of which each node gets a part`, {
      value: second?.subnet ?? name,
      hint: 'As in --subnet 10.1.0.0/16.',
    });
  }
  const [part] = [config.gateway, config.ipRange, ...Object.values(config.auxiliaryAddresses)].filter(Boolean);
  if (part !== undefined) {
    throw invalidArgument(`"${part}" cannot be chosen in a routed network: each node has a subnet and gateway`, {
      value: part,
      hint: 'Leave --gateway, --ip-range and --aux-address out.',
    });
  }
  if (familyOf(config.subnet) === 4) partitionOf(spec);
}

/** @throws INVALID_ARGUMENT, UNIMPLEMENTED */
export function backendOf({ driverOptions }: Pick<NetworkSpec, 'driverOptions'>): RoutedBackend {
  const value = driverOptions[BACKEND_OPTION] ?? 'vxlan';
  if (value === 'vxlan' || value === 'host-gw') return value;
  const hint = 'Use vxlan (default), or host-gw where all nodes are on one segment.';
  if (value === 'udp')
    throw new SwarmError('UNIMPLEMENTED', 'backend "udp" is not supported by this version', { value, hint });
  throw invalidArgument(`"${value}" is not a backend of routed networks`, { value, hint });
}

/** @throws INVALID_ARGUMENT when no node would get a subnet of this length */
export function partitionOf({ driverOptions, ipam }: DriverSpec): Partition {
  const network = parseCidr(ipam[0]?.subnet ?? '');
  const text = driverOptions[LENGTH_OPTION];
  // As flannel has it: /24, or what makes four of a network that is small.
  const length =
    text === undefined
      ? Math.max(DEFAULT_LENGTH, network.prefix + LEAST_BITS)
      : /^\d+$/.test(text)
        ? Number(text)
        : Number.NaN;
  const shortest = network.prefix + 1;
  if (length >= shortest && length <= LONGEST) return { network, length };
  throw invalidArgument(
    text === undefined
      ? `subnet ${formatCidr(network)} is too small to be parted among nodes`
      : `"${text}" is not the length of a node's subnet in ${formatCidr(network)}`,
    {
      value: text ?? formatCidr(network),
      hint:
        shortest <= LONGEST
          ? `${LENGTH_OPTION} is a number from ${shortest} to ${LONGEST}.`
          : `Its prefix is at most /${LONGEST - 1}.`,
    },
  );
}

/**
 * The part that no node gets: virtual addresses of services come from it.
 * @throws as partitionOf
 */
export function virtualPart({ network, length }: Partition): Cidr {
  const last = network.base + (1n << BigInt(32 - length)) - 1n;
  return { ...network, address: network.base, prefix: length, last };
}

/** @throws INVALID_ARGUMENT for addresses that a container asks for, or a virtual one that is in nodes' subnets */
export function checkRoutedAddresses({ spec }: Network, addresses: readonly string[], virtualIp: string): void {
  const [address] = addresses;
  if (address !== undefined) {
    throw invalidArgument(`address ${address} cannot be asked for in routed network ${spec.name}`, {
      value: address,
      hint: 'Addresses are of the subnet of the node that a container is on.',
    });
  }
  const part = virtualPart(partitionOf(spec));
  if (virtualIp === '' || contains(part, parseAddress(virtualIp))) return;
  throw invalidArgument(`address ${virtualIp} cannot be a virtual address of network ${spec.name}`, {
    value: virtualIp,
    hint: `Those are in ${formatCidr(part)}; the rest is for the nodes.`,
  });
}
