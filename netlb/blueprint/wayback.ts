/**
 * How a task answers a client whose address was kept: through the ingress_sbox that the connection came
 * by, whatever node that is on. The first frame's Ethernet source is that sandbox's; its low 32 bits (the
 * sandbox's address, see macOf) become the packet's mark, then the connection's. Replies get the mark back,
 * leave by one route over eth0 to a next hop with a dummy MAC, and egress writes the right MAC, which was
 * learned with the mark. One rule and one route, however many nodes there are.
 */
import { endianness } from 'node:os';
import { type Cidr, formatCidr } from '../../lib/ip.js';
import { TABLE } from '../names.js';
import { type Chain, priorities, type Table } from '../nft/table.js';
import type { NeighbourBlueprint, RouteBlueprint, RuleBlueprint, Sysctl } from './model.js';

const WAY_BACK_TABLE = 100;
const WAY_BACK_PRIORITY = 100;
/** Stands for every ingress_sbox; never seen on a wire. */
const NEXT_HOP = '169.254.1.1';
/** The kind of MAC that macOf makes, with no address: what egress replaces. */
const NEXT_HOP_MAC = '02:42:00:00:00:00';

export interface WayBackInput {
  /** The interface in the ingress overlay. */
  readonly interface: string;
  /** Of the ingress network. */
  readonly subnet: Cidr;
}

export const wayBackSysctls: readonly Sysctl[] = [
  // A reset or a SYN-ACK made by the kernel carries the mark of the packet that it answers.
  { key: 'net.ipv4.tcp_fwmark_accept', value: '1' },
  // Otherwise a packet whose port was remapped finds another connection's socket before NAT (seen on 6.1).
  { key: 'net.ipv4.tcp_early_demux', value: '0' },
];

export const wayBackRoute = (name: string): RouteBlueprint => ({
  destination: '0.0.0.0/0',
  via: NEXT_HOP,
  interface: name,
  onlink: true,
  table: WAY_BACK_TABLE,
  mtu: undefined,
});

export const wayBackNeighbour = (name: string): NeighbourBlueprint => ({
  address: NEXT_HOP,
  mac: NEXT_HOP_MAC,
  interface: name,
});

/** Four bytes as they lie in a packet, as the mark that the kernel makes of them. */
function markOf(value: bigint): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(Number(value & 0xffff_ffffn));
  return endianness() === 'LE' ? bytes.readUInt32LE() : bytes.readUInt32BE();
}

const netmask = (prefix: number): bigint => (0xffff_ffffn << BigInt(32 - prefix)) & 0xffff_ffffn;

/** Marks that are addresses of the ingress network. */
export const wayBackRule = ({ base, prefix }: Cidr): RuleBlueprint => ({
  priority: WAY_BACK_PRIORITY,
  fwmark: markOf(base),
  fwmask: markOf(netmask(prefix)),
  table: WAY_BACK_TABLE,
});

/** 02:42 and an IPv4 address's bytes, or ff:ff and a mask's. */
function macText(head: string, value: bigint): string {
  return `${head}:${value
    .toString(16)
    .padStart(8, '0')
    .replace(/..(?=.)/g, '$&:')}`;
}

/** Learns mark → MAC from what comes in, and writes the MAC into what goes out. */
export function wayBackNetdevTable({ interface: device, subnet }: WayBackInput): Table {
  const mask = macText('ff:ff', netmask(subnet.prefix));
  const prefix = macText('02:42', subnet.base);
  const hook = (name: 'ingress' | 'egress') =>
    ({ type: 'filter', hook: name, priority: priorities.filter, policy: 'accept', device }) as const;
  return {
    family: 'netdev',
    name: TABLE,
    sets: [{ name: 'gw', key: 'mark', value: 'ether_addr', keep: 'learned', elements: [] }],
    chains: [
      {
        name: 'learn',
        base: hook('ingress'),
        rules: [
          `ether saddr & ${mask} == ${prefix} ip saddr != ${formatCidr(subnet)} ` +
            'meta mark set @ll,64,32 add @gw { meta mark : ether saddr }',
        ],
      },
      { name: 'restore', base: hook('egress'), rules: ['meta mark != 0 ether daddr set meta mark map @gw'] },
    ],
  };
}

export function wayBackChains({ interface: device, subnet }: WayBackInput): Chain[] {
  const fromIngress = `iifname "${device}" ip saddr != ${formatCidr(subnet)}`;
  return [
    {
      // One client address and port through two nodes is one tuple here: each node has a zone of its own.
      name: 'ingress_zone',
      base: { type: 'filter', hook: 'prerouting', priority: priorities.raw, policy: 'accept' },
      rules: [`${fromIngress} ct original zone set @ll,80,16`],
    },
    {
      // Empty: with NAT at this hook, clashing replies get another source port.
      name: 'ingress_input_nat',
      base: { type: 'nat', hook: 'input', priority: priorities.srcnat, policy: 'accept' },
      rules: [],
    },
    {
      name: 'ingress_remember',
      base: { type: 'filter', hook: 'prerouting', priority: priorities.mangle, policy: 'accept' },
      rules: [`iifname "${device}" meta mark != 0 ct state new ct mark set meta mark`],
    },
    {
      name: 'ingress_answer',
      base: { type: 'route', hook: 'output', priority: priorities.mangle, policy: 'accept' },
      rules: ['ct mark != 0 meta mark set ct mark'],
    },
    {
      // What other members of the ingress network send was not balanced and is not published.
      name: 'ingress_guard',
      base: { type: 'filter', hook: 'input', priority: priorities.filter, policy: 'accept' },
      rules: [`iifname "${device}" ip saddr ${formatCidr(subnet)} ct state new meta l4proto { 6, 17, 132 } drop`],
    },
  ];
}
