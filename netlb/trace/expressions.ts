/**
 * What expressions of rules say of a packet (nft(8), EXPRESSIONS): values, and whether a match holds. What the packet
 * does not tell, and what is not known here, is undefined: nobody takes it for a no. Pure.
 */

import { elementsOf, equals, rank, setMembers, textOf } from './constants.js';
import type { HookPacket } from './packet.js';
import { isList, isObject, type Json, type RulesetTable } from './ruleset.js';

/** Matches nothing: a field that the packet does not have. */
const ABSENT = Symbol('absent');
/** Undefined: not known. */
export type Value = string | typeof ABSENT | undefined;
export type Truth = boolean | undefined;
type JsonObject = { readonly [key: string]: Json };

/** Undefined: it cannot be told. */
export function matches(table: RulesetTable, packet: HookPacket, { op, left, right }: JsonObject): Truth {
  if (isObject(left) && isObject(left.ct) && (left.ct.key === 'state' || left.ct.key === 'status')) {
    const has = left.ct.key === 'state' ? [packet.state] : packet.translated;
    const wanted = new Set((isList(right) ? right : [right ?? '']).flatMap((one) => setMembers(one)));
    const overlaps = has.some((one) => wanted.has(one));
    return op === '!=' || op === '!' ? !overlaps : overlaps;
  }
  const value = valueIn(table, packet, left);
  if (value === ABSENT) return false;
  if (value === undefined) return undefined;
  switch (op) {
    case '==':
    case 'in':
      return isIn(table, value, right);
    case '!=':
    case '!': {
      const truth = isIn(table, value, right);
      return truth === undefined ? undefined : !truth;
    }
    case '<':
    case '>=':
      return isLess(value, right, op);
    case '>':
    case '<=':
      return isLess(right, value, op === '>' ? '<' : '>=');
    default:
      return undefined;
  }
}

function isLess(a: Json | undefined, b: Json | undefined, op: '<' | '>='): Truth {
  const [left, right] = [rank(a ?? null), rank(b ?? null)];
  if (Number.isNaN(left) || Number.isNaN(right)) return undefined;
  return left < right === (op === '<');
}

function isIn(table: RulesetTable, value: string, right: Json | undefined): Truth {
  if (typeof right === 'string' && right.startsWith('@'))
    return elementsOf(table, right).some((one) => equals(value, one));
  if (isList(right)) return right.some((one) => equals(value, one));
  if (isObject(right) && isList(right.set)) return right.set.some((one) => equals(value, one));
  return right === undefined ? undefined : equals(value, right);
}

/** What a map has for a key. */
export function lookup(table: RulesetTable, data: Json | undefined, key: Value): Json | undefined {
  if (typeof key !== 'string') return undefined;
  for (const pair of elementsOf(table, data))
    if (isList(pair) && pair[0] !== undefined && equals(key, pair[0])) return pair[1];
  return undefined;
}

export function valueIn(table: RulesetTable, packet: HookPacket, expression: Json | undefined): Value {
  if (typeof expression === 'string' || typeof expression === 'number') return String(expression);
  if (!isObject(expression)) return undefined;
  const [[name, argument] = ['', null]] = Object.entries(expression);
  if (name === 'concat' && isList(argument)) {
    const parts = argument.map((part) => valueIn(table, packet, part));
    if (parts.includes(ABSENT)) return ABSENT;
    return parts.includes(undefined) ? undefined : parts.map(String).join(' . ');
  }
  if (!isObject(argument)) return undefined;
  if ((name === 'meta' || name === 'rt') && argument.key === 'ipsec')
    return packet.ipsec === undefined ? undefined : String(packet.ipsec);
  if (name === 'meta') return meta(packet, String(argument.key));
  if (name === 'payload') return payload(packet, argument);
  if (name === 'ct') return connection(packet, String(argument.key));
  if (name === 'fib' && argument.result === 'type' && isList(argument.flags) && argument.flags.includes('daddr'))
    return packet.local ? 'local' : 'unicast';
  if (name === 'map') {
    const value = lookup(table, argument.data, valueIn(table, packet, argument.key));
    // A key that is not in the map ends the rule; for the statements that we follow, no value does the same.
    return value === undefined ? ABSENT : textOf(value);
  }
  return undefined;
}

function connection(packet: HookPacket, key: string): Value {
  if (key === 'mark') return String(packet.connectionMark);
  return key === 'direction' ? (packet.state === 'new' ? 'original' : 'reply') : undefined;
}

function meta(packet: HookPacket, key: string): Value {
  const { mark, input, output } = packet;
  if (key === 'l4proto') return transport(packet);
  if (key === 'mark') return String(mark);
  if (key === 'iifname' || key === 'iif') return input;
  if (key === 'oifname' || key === 'oif') return output;
  if (key === 'nfproto') return packet.source.includes(':') ? 'ipv6' : 'ipv4';
  return undefined;
}

/** As nft names it. */
function transport({ protocol, source }: HookPacket): string {
  return protocol === 'icmp' && source.includes(':') ? 'ipv6-icmp' : protocol;
}

function payload(packet: HookPacket, { protocol, field, base, offset, len }: JsonObject): Value {
  // The VNI, after the UDP header (RFC 7348).
  if (base === 'th' && offset === 96 && len === 24) return packet.vni === undefined ? undefined : String(packet.vni);
  const isSix = packet.source.includes(':');
  if (protocol === 'ip' || protocol === 'ip6') {
    if (isSix !== (protocol === 'ip6')) return ABSENT;
    if (field === 'saddr') return packet.source;
    if (field === 'daddr') return packet.destination;
    return field === 'protocol' || field === 'nexthdr' ? transport(packet) : undefined;
  }
  if (protocol === 'icmp' || protocol === 'icmpv6') {
    if (packet.protocol !== 'icmp' || isSix !== (protocol === 'icmpv6')) return ABSENT;
    return field === 'type' ? 'echo-request' : undefined;
  }
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'th' || protocol === 'sctp') {
    if (packet.protocol === 'icmp' || (protocol !== 'th' && protocol !== packet.protocol)) return ABSENT;
    const port = field === 'dport' ? packet.destinationPort : field === 'sport' ? packet.sourcePort : undefined;
    return port === undefined ? undefined : String(port);
  }
  return undefined;
}
