import { networkInterfaces } from 'node:os';
import { failedPrecondition, invalidArgument } from '../../../lib/errors.js';
import { type Cidr, contains, formatCidr, overlaps, parseAddress, parseCidr } from '../../../lib/ip.js';
import { checkSubnet } from '../../../lib/ipam.js';
import type { NetworkSpec } from '../../../proto/gen/index.js';
import { checkOverlayOptions } from '../../common/overlay-options.js';
import { checkRoutedSpec, isRouted, ROUTED } from '../../common/routed-options.js';
import type { ReadView } from '../../store/store.js';
import { checkLabels, checkName } from './names.js';

const RESERVED = new Set(['host', 'none', 'bridge', 'default', 'ingress', 'swarm_gwbridge']);

/** @throws INVALID_ARGUMENT for what is wrong whatever the swarm's state */
export function checkNetworkSpec(spec: NetworkSpec): void {
  checkName('network', spec.name);
  checkLabels(spec.labels);
  if (RESERVED.has(spec.name) && !spec.ingress) {
    throw invalidArgument(`the network name "${spec.name}" is reserved`, { value: spec.name });
  }
  checkDriver(spec.driver);
  if (spec.scope !== '' && spec.scope !== 'swarm') {
    throw invalidArgument(`network scope "${spec.scope}" is not known`, { value: spec.scope, hint: 'Use swarm.' });
  }
  if (spec.ipamDriver !== '' && spec.ipamDriver !== 'default') {
    throw invalidArgument(`IPAM driver "${spec.ipamDriver}" is not known`, {
      value: spec.ipamDriver,
      hint: 'Use default.',
    });
  }
  if (spec.ingress && (spec.attachable || spec.internal)) {
    throw invalidArgument(`the ingress network cannot be ${spec.attachable ? 'attachable' : 'internal'}`, {
      value: spec.name,
    });
  }
  if (spec.ingress) checkIngressSubnets(spec);
  if (spec.ingress && spec.disableIpv4) {
    throw invalidArgument('the ingress network cannot be of IPv6 alone', {
      value: spec.name,
      hint: 'Leave --ipv4=false out: tasks know the nodes that connections come by by their IPv4 addresses there.',
    });
  }
  if (isRouted({ spec })) checkRoutedSpec(spec);
  else checkOverlayOptions(spec);
  checkFamilies(spec);
  const own: Cidr[] = [];
  for (const config of spec.ipam) {
    const subnet = checkSubnet(config);
    if (!subnet) continue;
    const other = own.find((earlier) => overlaps(earlier, subnet));
    if (other) {
      throw invalidArgument(`subnets ${formatCidr(other)} and ${formatCidr(subnet)} of the network overlap`, {
        value: config.subnet,
      });
    }
    own.push(subnet);
  }
}

/** One of each family is chosen, or none: then the allocator gives as many as are needed. */
function checkIngressSubnets({ name, ipam }: NetworkSpec): void {
  for (const family of [4, 6] as const) {
    const subnets = ipam.map(({ subnet }) => subnet).filter((text) => text !== '' && parseCidr(text).family === family);
    if (subnets.length > 1)
      throw invalidArgument(`an ingress network has one subnet of IPv${family}, not ${subnets.join(' and ')}`, {
        value: name,
        hint: 'Give it one that is large enough for all nodes and all tasks with published ports, as a /16; or none: then it grows by itself.',
      });
  }
}

/** Drivers whose networks are one node's, whatever else is in the swarm. */
const LOCAL_DRIVERS: ReadonlySet<string> = new Set(['bridge', 'host', 'null', 'none']);

function checkDriver(driver: string): void {
  if (driver === '' || driver === 'overlay' || driver === ROUTED) return;
  if (!LOCAL_DRIVERS.has(driver))
    throw invalidArgument(`network driver "${driver}" is not known`, { value: driver, hint: 'Use overlay or routed.' });
  throw invalidArgument(`network driver "${driver}" makes networks of one node, which are not the swarm's`, {
    value: driver,
    hint:
      driver === 'bridge'
        ? 'Make it on that node ("tsswarm network create -d bridge NAME"), or use -d overlay.'
        : 'Each node has one already; use -d overlay for a network between nodes.',
  });
}

function checkFamilies({ name, ipv6, disableIpv4, ipam }: NetworkSpec): void {
  if (disableIpv4 && !ipv6) {
    throw invalidArgument(`network ${name} would have no addresses: it has neither IPv4 nor IPv6`, {
      value: name,
      hint: 'Add --ipv6, or leave --ipv4=false out.',
    });
  }
  for (const { subnet } of ipam) {
    if (subnet === '') continue;
    const { family } = parseCidr(subnet);
    if (family === 6 && !ipv6)
      throw invalidArgument(`subnet ${subnet} is of IPv6, which the network does not have`, {
        value: subnet,
        hint: 'Add --ipv6.',
      });
    if (family === 4 && disableIpv4)
      throw invalidArgument(`subnet ${subnet} is of IPv4, which the network does not have`, { value: subnet });
  }
}

/** Subnets that nodes use on their own side, whatever the operator asks for. */
const NODE_SUBNETS: readonly (readonly [string, string])[] = [
  ['172.17.0.0/16', "the nodes' default bridge"],
  ['172.18.0.0/16', "the nodes' gateway bridge"],
  ['127.0.0.0/8', 'the loopback interface'],
  ['169.254.0.0/16', 'link-local addresses'],
  ['224.0.0.0/4', 'multicast'],
  ['fd00:7473::/64', "the nodes' gateway bridge"],
  ['::1/128', 'the loopback interface'],
  ['fe80::/10', 'link-local addresses'],
  ['ff00::/8', 'multicast'],
];

/** @throws FAILED_PRECONDITION that names the other network, bridge or address that a subnet collides with */
export function checkSubnetsAreFree(view: ReadView, spec: NetworkSpec, localAddresses = ownAddresses()): void {
  const fixed = NODE_SUBNETS.map(([text, owner]) => ({ cidr: parseCidr(text), owner }));
  for (const { subnet } of spec.ipam) {
    if (subnet === '') continue;
    const cidr = parseCidr(subnet);
    for (const network of view.list('network')) {
      const subnets = [...network.ipam, ...network.spec.ipam].map((config) => config.subnet).filter((s) => s !== '');
      const other = subnets.map(parseCidr).find((held) => overlaps(held, cidr));
      if (other) throw collision(subnet, `${formatCidr(other)} of network "${network.spec.name}" (${network.id})`);
    }
    const other = fixed.find((held) => overlaps(held.cidr, cidr));
    if (other) throw collision(subnet, `${formatCidr(other.cidr)} of ${other.owner}`);
    for (const [address, owner] of [...nodeAddresses(view), ...localAddresses]) {
      if (contains(cidr, parseAddress(address))) throw collision(subnet, `${address}, the address of ${owner}`);
    }
  }
}

function nodeAddresses(view: ReadView): (readonly [string, string])[] {
  return [...view.list('node')]
    .filter((node) => node.dataPathAddress !== '')
    .map((node) => [node.dataPathAddress, `node ${node.description.hostname}`]);
}

function collision(subnet: string, other: string) {
  return failedPrecondition(`subnet ${subnet} overlaps ${other}`, {
    value: subnet,
    hint: 'Choose another one, or leave --subnet out: then a free one is taken.',
  });
}

/** The addresses of this manager's own interfaces, other than loopback and link-local ones. */
function ownAddresses(): (readonly [string, string])[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter((a) => !a.internal && !a.address.startsWith('fe80'))
      .map((a) => [a.address, `interface ${name} of this manager`] as const),
  );
}
