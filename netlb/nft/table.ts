/**
 * An nftables table as data, so that what shall be and what is can be compared piece by piece. Rules are
 * text of nft(8); every rule of ours ends in a comment with the digest of its text, by which it is known
 * again when the kernel is read. Chains and sets are compared by name, set elements by their text.
 */
import { createHash } from 'node:crypto';
import { remembered } from '../../lib/remembered.js';

export interface Table {
  readonly family: TableFamily;
  readonly name: string;
  readonly sets: readonly NftSet[];
  readonly chains: readonly Chain[];
}

export type TableFamily = 'ip' | 'ip6' | 'netdev' | 'bridge';

/** A set, or a map when it has a value. */
export interface NftSet {
  readonly name: string;
  /** Type of the keys: `inet_proto . inet_service`. */
  readonly key: string;
  /** Type of a map's values: `mark`, `verdict`. */
  readonly value?: string;
  /** Seconds after which an element that the kernel added goes; of one that is `learned`. */
  readonly timeout?: number;
  /**
   * How many elements there can be in one that is `learned`; 65535 unless given. The kernel makes twice as many buckets at once,
   * and goes through them for what has timed out: each second, where there is no time-out.
   */
  readonly size?: number;
  /** Text of elements as nft/decode.ts writes it: numbers in decimal, protocols too. */
  readonly elements: readonly string[];
  /**
   * `exact`: has these elements and no others. `learned`: the kernel adds elements, which are kept.
   * `journal`: has at least these; who reads it takes out the others when it has dealt with them.
   */
  readonly keep: 'exact' | 'learned' | 'journal';
  /** Each element of a set counts packets and bytes: of every look-up that finds it (nft/counters.ts reads them). */
  readonly counted?: true;
}

/** What an element of a counted set has counted. */
export interface Count {
  readonly packets: number;
  readonly bytes: number;
}

export interface Chain {
  readonly name: string;
  /** Undefined: a chain that others lead to. */
  readonly base?: BaseChain;
  readonly rules: readonly string[];
}

export interface BaseChain {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
  /** Of the netdev family. */
  readonly device?: string;
}

/** Values of NF_IP_PRI_* (linux/netfilter_ipv4.h). */
export const priorities = { raw: -300, mangle: -150, dstnat: -100, filter: 0, srcnat: 100 } as const;

/** A table as the kernel shows it. */
export interface ActualTable {
  readonly sets: ReadonlyMap<string, ActualSet>;
  readonly chains: ReadonlyMap<string, ActualChain>;
}

export interface ActualSet {
  readonly key: string;
  readonly value: string | undefined;
  readonly elements: readonly string[];
  readonly counted?: true;
}

export interface ActualChain {
  readonly base: BaseChain | undefined;
  /** Digests in order; empty text for a rule that is not ours. */
  readonly rules: readonly string[];
}

export const ruleDigest = remembered((rule) => createHash('sha1').update(rule).digest('hex').slice(0, 12));

export const keyOf = (table: Pick<Table, 'family' | 'name'>): string => `${table.family} ${table.name}`;

/** IP protocol numbers; rules and elements name protocols by number, which needs no /etc/protocols. */
export const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const;

/** The key of a map's element: the text before the value. */
export function elementKey(element: string): string {
  const colon = element.indexOf(' : ');
  return colon < 0 ? element : element.slice(0, colon);
}
