/**
 * How a task answers a client whose address was kept: through the ingress_sbox that the connection came
 * by, whatever node that is on. The first frame's Ethernet source is that sandbox's; its low 32 bits (the
 * sandbox's IPv4 address, see macOf) become the packet's mark, then the connection's. Replies get the mark back,
 * leave by one route over eth0 to a next hop with a dummy MAC, and egress writes the right MAC, which was
 * learned with the mark. One rule and one route of each family, however many nodes there are.
 */
import { endianness } from 'node:os';
import { TABLE } from '../names.js';
import { type Family, ipName } from '../nft/family.js';
import { type Chain, priorities, type Table } from '../nft/table.js';
import { answeredFamilies, type IngressPlace, members, subnetsOfFamily } from './ingress-place.js';
import type { NeighbourBlueprint, RouteBlueprint, RuleBlueprint, Sysctl } from './model.js';

const WAY_BACK_TABLE = 100;
const WAY_BACK_PRIORITY = 100;
const everywhere = { 4: '0.0.0.0/0', 6: '::/0' } as const;
/** Stands for every ingress_sbox; never seen on a wire. */
const nextHops = { 4: '169.254.1.1', 6: 'fe80::42:1' } as const;
/**
 * How many a task can have heard of in its life: several times as many as a swarm has nodes. The kernel goes through a map
 * of the usual size, of a megabyte, every second, for each task.
 */
const SANDBOXES = 4096;
/** The kind of MAC that macOf makes, with no address: what egress replaces. */
const NEXT_HOP_MAC = '02:42:00:00:00:00';

export type WayBackInput = Pick<IngressPlace, 'interface' | 'subnets' | 'gatewayAddresses'>;

export const wayBackSysctls: readonly Sysctl[] = [
  // A reset or a SYN-ACK made by the kernel carries the mark of the packet that it answers. Of both families.
  { key: 'net.ipv4.tcp_fwmark_accept', value: '1' },
  // Otherwise a packet whose port was remapped finds another connection's socket before NAT (seen on 6.1). Likewise.
  { key: 'net.ipv4.tcp_early_demux', value: '0' },
];

export const wayBackRoutes = (input: WayBackInput): RouteBlueprint[] =>
  answeredFamilies(input).map((family) => ({
    destination: everywhere[family],
    via: nextHops[family],
    interface: input.interface,
    // A link-local next hop is on the link as it is.
    onlink: family === 4,
    table: WAY_BACK_TABLE,
    mtu: undefined,
  }));

export const wayBackNeighbours = (input: WayBackInput): NeighbourBlueprint[] =>
  answeredFamilies(input).map((family) => ({
    address: nextHops[family],
    mac: NEXT_HOP_MAC,
    interface: input.interface,
  }));

/** Four bytes as they lie in a packet, as the mark that the kernel makes of them. */
function markOf(value: bigint): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(Number(value & 0xffff_ffffn));
  return endianness() === 'LE' ? bytes.readUInt32LE() : bytes.readUInt32BE();
}

const netmask = (prefix: number): bigint => (0xffff_ffffn << BigInt(32 - prefix)) & 0xffff_ffffn;

/** For marks that are IPv4 addresses of the ingress network, among the rules of either family. */
export const wayBackRules = (input: WayBackInput): RuleBlueprint[] =>
  answeredFamilies(input).flatMap((family) =>
    subnetsOfFamily(input, 4).map(({ base, prefix }) => ({
      family,
      priority: WAY_BACK_PRIORITY,
      fwmark: markOf(base),
      fwmask: markOf(netmask(prefix)),
      table: WAY_BACK_TABLE,
    })),
  );

/** 02:42 and an IPv4 address's bytes, or ff:ff and a mask's. */
function macText(head: string, value: bigint): string {
  return `${head}:${value
    .toString(16)
    .padStart(8, '0')
    .replace(/..(?=.)/g, '$&:')}`;
}

/** Learns mark → MAC from what comes in, and writes the MAC into what goes out. */
export function wayBackNetdevTable(input: WayBackInput): Table {
  const hook = (name: 'ingress' | 'egress') =>
    ({ type: 'filter', hook: name, priority: priorities.filter, policy: 'accept', device: input.interface }) as const;
  const senders = subnetsOfFamily(input, 4).map(({ base, prefix }) => {
    const mask = macText('ff:ff', netmask(prefix));
    return `ether saddr & ${mask} == ${macText('02:42', base)}`;
  });
  return {
    family: 'netdev',
    name: TABLE,
    sets: [{ name: 'gw', key: 'mark', value: 'ether_addr', keep: 'learned', size: SANDBOXES, elements: [] }],
    chains: [
      {
        name: 'learn',
        base: hook('ingress'),
        rules: answeredFamilies(input).flatMap((family) =>
          senders.map(
            (sender) =>
              `${sender} ${ipName[family]} saddr != ${members(input, family)} ` +
              'meta mark set @ll,64,32 add @gw { meta mark : ether saddr }',
          ),
        ),
      },
      { name: 'restore', base: hook('egress'), rules: ['meta mark != 0 ether daddr set meta mark map @gw'] },
    ],
  };
}

/** For one family's table; none when the ingress network does not have the family. */
export function wayBackChains(input: WayBackInput, family: Family): Chain[] {
  if (subnetsOfFamily(input, family).length === 0) return [];
  const isAnswered = answeredFamilies(input).includes(family);
  return [...(isAnswered ? answerChains(input) : []), guard(input, family)];
}

const answerChains = (input: WayBackInput): Chain[] => [
  {
    // One client address and port through two nodes is one tuple here: each node has a zone of its own, the low 16 bits
    // of its ingress_sbox's address, which are all that a zone has. Two nodes share one only in an ingress network of more
    // than 65,536 addresses (managers see to that): then one of two connections of a client by both, from one source
    // port at a time, fails.
    name: 'ingress_zone',
    base: { type: 'filter', hook: 'prerouting', priority: priorities.raw, policy: 'accept' },
    // What `learn` has marked: marks of packets end with the namespace that they come from.
    rules: ['meta mark != 0 ct original zone set @ll,80,16'],
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
    rules: [`ct state new meta mark != 0 iifname "${input.interface}" ct mark set meta mark`],
  },
  {
    name: 'ingress_answer',
    base: { type: 'route', hook: 'output', priority: priorities.mangle, policy: 'accept' },
    rules: ['ct mark != 0 meta mark set ct mark'],
  },
];

/** What other members of the ingress network send was not balanced and is not published. */
function guard(input: WayBackInput, family: Family): Chain {
  const fromMembers = `${ipName[family]} saddr ${members(input, family)} iifname "${input.interface}"`;
  return {
    name: 'ingress_guard',
    base: { type: 'filter', hook: 'input', priority: priorities.filter, policy: 'accept' },
    rules: [`ct state new ${fromMembers} meta l4proto { 6, 17, 132 } drop`],
  };
}
