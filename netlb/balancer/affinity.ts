/**
 * Affinity by nftables: per backend a set of the client addresses that have it, which the kernel fills and whose
 * elements time out. A backend that takes no new connections has no set, so that its clients are free at once.
 */
import { bracketed } from '../../lib/ip.js';
import { addressType, type Family, ipName } from '../nft/family.js';
import type { Chain, NftSet } from '../nft/table.js';
import type { MarkedService } from './balancer.js';

export interface Affinity {
  readonly mark: number;
  readonly sets: readonly NftSet[];
  /** Rules that lead clients that are known to their backends. */
  readonly known: readonly string[];
  /** Remembers whom a new connection has got. */
  readonly chain: Chain;
}

/** @param service its backends are all of that family */
export function affinityOf(service: MarkedService, family: Family): Affinity {
  const { mark, backends, affinity, entry, published } = service;
  const to = (address: string) => (entry === published ? address : `${bracketed(address)}:${published}`);
  const header = ipName[family];
  const active = backends.filter(({ weight }) => weight > 0).map(({ address }) => address);
  // A set cannot get another time-out: its name says which it has.
  const setOf = (address: string) => `clients_${mark.toString(16)}_${affinity}s_${address.replace(/[.:]/g, '_')}`;
  return {
    mark,
    sets: active.map((address) => ({
      name: setOf(address),
      key: addressType[family],
      timeout: affinity,
      keep: 'learned',
      elements: [],
    })),
    known: active.map((address) => `${header} saddr @${setOf(address)} dnat ${header} to ${to(address)}`),
    chain: {
      name: `affinity_${mark.toString(16)}`,
      rules: active.map((address) => `${header} daddr ${address} update @${setOf(address)} { ${header} saddr }`),
    },
  };
}
