/** Reads what the elements of a counted set have counted (linux/netfilter/nf_tables.h). Pure. */
import { Attributes } from '../kernel/attributes.js';
import type { NetlinkMessage } from '../kernel/messages.js';
import { attributesOf, members } from './decode.js';
import {
  NFTA_COUNTER_BYTES,
  NFTA_COUNTER_PACKETS,
  NFTA_DATA_VALUE,
  NFTA_EXPR_DATA,
  NFTA_SET_ELEM_EXPR,
  NFTA_SET_ELEM_KEY,
  NFTA_SET_ELEM_LIST_ELEMENTS,
} from './nf-tables.js';
import type { Count } from './table.js';
import { textOf, typesNamed } from './types.js';

/**
 * @param key type of the set's keys: `mark . ipv4_addr`
 * @param messages of its elements
 * @returns by element, written as in NftSet
 */
export function decodeCounters(key: string, messages: readonly NetlinkMessage[]): Map<string, Count> {
  const types = typesNamed(key);
  const counts = new Map<string, Count>();
  for (const message of messages) {
    for (const member of members(attributesOf(message).bytes(NFTA_SET_ELEM_LIST_ELEMENTS))) {
      const element = new Attributes(member);
      const bytes = element.nested(NFTA_SET_ELEM_KEY)?.bytes(NFTA_DATA_VALUE);
      const counter = element.nested(NFTA_SET_ELEM_EXPR)?.nested(NFTA_EXPR_DATA);
      if (bytes && counter) counts.set(textOf(types, bytes), countOf(counter));
    }
  }
  return counts;
}

/** Both are exact up to 2^53. */
function countOf(counter: Attributes): Count {
  const number = (type: number) => Number(counter.bytes(type)?.readBigUInt64BE() ?? 0n);
  return { packets: number(NFTA_COUNTER_PACKETS), bytes: number(NFTA_COUNTER_BYTES) };
}
