/** What rules look at: parts of packets, of their connections, and of how they come and go. Pure. */
import { u32 } from '../../kernel/attributes.js';
import { ctKeys, directions, type Header, metaKeys } from '../nf-tables.js';
import { setTypes } from '../types.js';
import {
  type Expression,
  loadCt,
  loadDestinationType,
  loadMeta,
  loadPayload,
  loadRouteIpsec,
  type Place,
} from './expressions.js';
import {
  addressKind,
  ctDirection,
  ctState,
  ctStatus,
  ethertype,
  type FieldType,
  icmpType,
  icmpv6Type,
  interfaceName,
  presence,
  rawBits,
} from './field-types.js';
import { NftSyntaxError, type Words } from './syntax.js';
import { userdata } from './userdata.js';

/** What must be known of a packet before a header's field means something. */
export interface Need {
  readonly link?: 'ether';
  readonly network?: 4 | 6;
  /** Protocol number. */
  readonly transport?: number;
}

export interface Field {
  readonly type: FieldType;
  readonly need: Need;
  /** Of one that lies in the packet. */
  readonly place?: Place;
  /** Where the header has the checksum that covers it. */
  readonly checksum?: number;
  /** By which nft knows it again that lists a rule with a set of its own; undefined: such sets are not made of it. */
  readonly description?: Buffer;
  load(register: number): Expression;
}

/** libnftables, enum expr_types. */
const EXPR_PAYLOAD = 7;
const EXPR_META = 9;
/** libnftables, enum proto_bases. */
const PROTO_BASES: Readonly<Record<Header, number>> = { ll: 1, network: 2, transport: 3 };
/** libnftables, enum proto_desc_id. */
const protocols = { udp: 4, tcp: 6, th: 9, icmp: 10, ip: 12, ip6: 13, icmpv6: 14, ether: 17 } as const;

/** Numbers by their place in a list. */
const numbered = (values: readonly number[]): Buffer =>
  userdata(values.map((value, type) => [type, u32(value)] as const));

const describe = (kind: number, ...values: readonly number[]): Buffer =>
  userdata([
    [0, u32(kind)],
    [1, numbered(values)],
  ]);

function inPacket(
  type: FieldType,
  header: Header,
  offset: number,
  need: Need,
  more: Pick<Field, 'description' | 'checksum'>,
): Field {
  const place: Place = { header, offset, length: type.size };
  return { type, need, place, ...more, load: (register) => loadPayload(place, register) };
}

/** @param index libnftables' number of the field in its protocol's header */
function named(
  protocol: keyof typeof protocols,
  index: number,
  type: FieldType,
  [header, offset]: readonly [Header, number],
  need: Need,
  checksum?: number,
): Field {
  const description = describe(EXPR_PAYLOAD, protocols[protocol], index);
  return inPacket(type, header, offset, need, { description, ...(checksum === undefined ? {} : { checksum }) });
}

const port = (protocol: 'tcp' | 'udp' | 'th', index: 1 | 2, need: Need, checksum?: number): Field =>
  named(protocol, index, setTypes.inet_service, ['transport', 2 * (index - 1)], need, checksum);

const meta = (key: number, type: FieldType): Field => ({
  ...{ type, need: {}, description: describe(EXPR_META, key) },
  load: (register) => loadMeta(key, register),
});

const connection = (key: number, type: FieldType): Field => ({
  ...{ type, need: {} },
  load: (register) => loadCt(key, register),
});

/** Of the packets from who began it, before their translation. */
const ofOriginal = (key: number, type: FieldType): Field => ({
  ...{ type, need: {} },
  load: (register) => loadCt(key, register, directions.original),
});

const ip = { network: 4 } as const;
const ip6 = { network: 6 } as const;
const tcp = { transport: 6 } as const;
const udp = { transport: 17 } as const;
const ether = { link: 'ether' } as const;

const fields = {
  'ether daddr': named('ether', 1, setTypes.ether_addr, ['ll', 0], ether),
  'ether saddr': named('ether', 2, setTypes.ether_addr, ['ll', 6], ether),
  'ether type': named('ether', 3, ethertype, ['ll', 12], ether),
  'ip saddr': named('ip', 11, setTypes.ipv4_addr, ['network', 12], ip),
  'ip daddr': named('ip', 12, setTypes.ipv4_addr, ['network', 16], ip),
  'ip6 saddr': named('ip6', 8, setTypes.ipv6_addr, ['network', 8], ip6),
  'ip6 daddr': named('ip6', 9, setTypes.ipv6_addr, ['network', 24], ip6),
  'icmp type': named('icmp', 1, icmpType, ['transport', 0], { transport: 1 }),
  'icmpv6 type': named('icmpv6', 1, icmpv6Type, ['transport', 0], { transport: 58 }),
  'tcp sport': port('tcp', 1, tcp, 16),
  'tcp dport': port('tcp', 2, tcp, 16),
  'udp sport': port('udp', 1, udp, 6),
  'udp dport': port('udp', 2, udp, 6),
  'th sport': port('th', 1, {}),
  'th dport': port('th', 2, {}),
  'meta mark': meta(metaKeys.mark, setTypes.mark),
  'meta l4proto': meta(metaKeys.l4proto, setTypes.inet_proto),
  'meta ipsec': meta(metaKeys.ipsec, presence),
  'ct state': connection(ctKeys.state, ctState),
  'ct status': connection(ctKeys.status, ctStatus),
  'ct direction': connection(ctKeys.direction, ctDirection),
  'ct mark': connection(ctKeys.mark, setTypes.mark),
  'rt ipsec': { type: presence, need: {}, load: loadRouteIpsec },
} as const satisfies Readonly<Record<string, Field>>;

/** One by its name. */
export const fieldOf = (name: keyof typeof fields): Field => fields[name];

const single: Readonly<Record<string, Field>> = {
  iifname: meta(metaKeys.iifname, interfaceName),
  oifname: meta(metaKeys.oifname, interfaceName),
};
const originals: Readonly<Record<string, Field>> = {
  'proto-dst': ofOriginal(ctKeys.protoDst, setTypes.inet_service),
  'ip daddr': ofOriginal(ctKeys.dstIp, setTypes.ipv4_addr),
  'ip6 daddr': ofOriginal(ctKeys.dstIp6, setTypes.ipv6_addr),
};
const destinationType: Field = { type: addressKind, need: {}, load: loadDestinationType };

const RAW = /^@(ll|th),(\d+),(\d+)$/;

/** `@th,96,24`: a header, and where in it in bits. @throws NftSyntaxError */
function raw(word: string): Field {
  const [, header = '', from, bits] = RAW.exec(word) ?? [];
  const [offset, length] = [Number(from), Number(bits)];
  if (header === '' || offset % 8 !== 0 || length % 8 !== 0 || length === 0)
    throw new NftSyntaxError(`${word} is not of the form @ll,80,16 with whole bytes`);
  const base: Header = header === 'th' ? 'transport' : 'll';
  const description = describe(EXPR_PAYLOAD, 0, 0, PROTO_BASES[base], offset, length);
  return inPacket(rawBits(length / 8), base, offset / 8, {}, { description });
}

/** Reads the name of a field. @throws NftSyntaxError */
export function takeField(words: Words): Field {
  const first = words.take('what a rule looks at');
  const alone = single[first];
  if (alone) return alone;
  if (first.startsWith('@')) return raw(first);
  if (first === 'fib') {
    words.expect('daddr');
    words.expect('type');
    return destinationType;
  }
  if (first === 'ct' && words.accept('original')) {
    const name = words.take('what of its original direction');
    const original = originals[words.accept('daddr') ? `${name} daddr` : name];
    if (!original) throw new NftSyntaxError(`of the original direction rules of ours do not look at "${name}"`);
    return original;
  }
  const second = words.take(`what of ${first}`);
  const field: Field | undefined = (fields as Readonly<Record<string, Field>>)[`${first} ${second}`];
  if (!field) throw new NftSyntaxError(`"${first} ${second}" is nothing that rules of ours look at`);
  return field;
}
