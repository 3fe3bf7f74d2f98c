import { createHash } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { invalidArgument } from './errors.js';

/** An IP address as a number with its family. */
export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A CIDR block: `address` as written (host bits may be set), `base` and `last` of the block. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly address: bigint;
  readonly prefix: number;
  readonly base: bigint;
  readonly last: bigint;
}

const bits = (family: 4 | 6): number => (family === 4 ? 32 : 128);

function parseV6(text: string): bigint {
  const [head = '', tail] = text
    .replace(/\d+\.\d+\.\d+\.\d+$/, (v4) => {
      const n = parseV4(v4);
      return `${(n >> 16n).toString(16)}:${(n & 0xffffn).toString(16)}`;
    })
    .split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return all.reduce((n, group) => (n << 16n) | BigInt(Number.parseInt(group, 16)), 0n);
}

function parseV4(text: string): bigint {
  return text.split('.').reduce((n, part) => (n << 8n) | BigInt(part), 0n);
}

/** Whether it is an IPv4 or IPv6 address. One of a link (`fe80::1%eth0`) says nothing to other machines: it is none. */
export const isAddress = (text: string): boolean => isIP(text) !== 0 && !text.includes('%');

/** @throws INVALID_ARGUMENT when `text` is no IPv4 or IPv6 address */
export function parseAddress(text: string): Address {
  if (!isAddress(text))
    throw invalidArgument(`"${text}" is not an IP address`, {
      value: text,
      hint: 'An address looks like 10.0.1.5 or fd00::5.',
    });
  return familyOf(text) === 4 ? { family: 4, value: parseV4(text) } : { family: 6, value: parseV6(text) };
}

export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  const longest = [...groups.join(':').matchAll(/\b0(?::0)+\b/g)].sort((a, b) => b[0].length - a[0].length)[0];
  if (!longest) return groups.join(':');
  const text = groups.join(':');
  const left = text.slice(0, longest.index).replace(/:$/, '');
  const right = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${left}::${right}`;
}

/** @throws INVALID_ARGUMENT when `text` is not `address/prefix` */
export function parseCidr(text: string): Cidr {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const bad = () =>
    invalidArgument(`"${text}" is not a subnet`, { value: text, hint: 'A subnet looks like 10.0.9.0/24.' });
  if (!match?.[1] || isIP(match[1]) === 0) throw bad();
  const { family, value } = parseAddress(match[1]);
  const prefix = Number(match[2]);
  if (prefix > bits(family)) throw bad();
  const host = (1n << BigInt(bits(family) - prefix)) - 1n;
  return { family, address: value, prefix, base: value & ~host, last: value | host };
}

/** The block in canonical form, without host bits: 10.0.9.0/24. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress({ family: cidr.family, value: cidr.base })}/${cidr.prefix}`;
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.base <= b.last && b.base <= a.last;
}

export function contains(cidr: Cidr, address: Address): boolean {
  return cidr.family === address.family && address.value >= cidr.base && address.value <= cidr.last;
}

/** The address of an `address/prefix` text, without the prefix; a bare address is returned as it is. */
export function addressOf(cidr: string): string {
  const slash = cidr.indexOf('/');
  return slash < 0 ? cidr : cidr.slice(0, slash);
}

/**
 * An address as there is one text for it, so that texts can be compared: fd00::5 for FD00:0:0::5.
 * @throws INVALID_ARGUMENT when `text` is no IPv4 or IPv6 address
 */
export function canonicalAddress(text: string): string {
  return isIPv4(text) ? text : formatAddress(parseAddress(text));
}

/** The same for an address with its prefix length, host bits and all. @throws INVALID_ARGUMENT */
export function canonicalCidr(text: string): string {
  const { family, address, prefix } = parseCidr(text);
  return `${formatAddress({ family, value: address })}/${prefix}`;
}

/** Of an address or a CIDR. */
export const familyOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4);

/** All addresses of one family; an empty text is all of both. */
const ANY: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** Whether what is published on the one and what is on the other may be met at the same address. */
export function shareAnAddress(a: string, b: string): boolean {
  if (a === '' || b === '' || a === b) return true;
  return familyOf(a) === familyOf(b) && (ANY.has(a) || ANY.has(b));
}

/** An address as it stands before a port: `[fd00::1]`, `192.0.2.1`. */
export const bracketed = (address: string): string => (familyOf(address) === 6 ? `[${address}]` : address);

/**
 * The MAC of an endpoint, told from its first address, so that everybody who knows that knows both: 02:42 and
 * the four bytes of an IPv4 address; for an IPv6 address, which has no room in it, 06 and five bytes of its digest.
 * @param address with or without a prefix length @throws INVALID_ARGUMENT
 */
export function macOf(address: string): string {
  const { family, value } = parseAddress(addressOf(address));
  const digits =
    family === 4
      ? `0242${value.toString(16).padStart(8, '0')}`
      : `06${createHash('sha256').update(value.toString(16)).digest('hex').slice(0, 10)}`;
  return digits.replace(/..(?=.)/g, '$&:');
}
