/**
 * Counts what the nft balancer gives to each backend, both ways. Sets of counted elements: a packet costs one
 * look-up in a hash, and a change of one service touches the elements of no other, so that their counts go on.
 * They are the kernel's: a restart of the daemon does not end them either. Connections are counted, by their first
 * packets alone, where the ways that they take are remembered (FLOWS_SET): a way that none has taken needs no cutting.
 */
import { flattenedList } from '../../lib/kept-list.js';
import { FLOWS_SET } from '../blueprint/ports.js';
import { addressType, type Family, ipName } from '../nft/family.js';
import { type Chain, type NftSet, priorities, protocolNumbers } from '../nft/table.js';
import type { MarkedService } from './balancer.js';

/** Type of the keys of both. */
export const countedKey = (family: Family): string => `mark . ${addressType[family]}`;

/** From clients. */
export const RECEIVED_SET = 'received';
/** To clients. */
export const SENT_SET = 'sent';

export const countedElement = (mark: number, address: string): string => `${mark} . ${address}`;

const elementsOver = () =>
  flattenedList(({ mark, backends }: MarkedService): readonly string[] =>
    backends.map(({ address }) => countedElement(mark, address)),
  );
const elementsOf = { 4: elementsOver(), 6: elementsOver() };

/** @param services with backends of this family alone */
export function countedSets(services: readonly MarkedService[], family: Family): NftSet[] {
  const elements = elementsOf[family](services);
  return [RECEIVED_SET, SENT_SET].map((name) => ({
    name,
    key: countedKey(family),
    keep: 'exact',
    counted: true,
    elements,
  }));
}

/**
 * After destination NAT, and before what refuses packets. A connection that no packet has passed with yet is not
 * confirmed: a SYN that is sent again is no second connection. Only the first packets carry a mark of their own, the others that of their connection.
 */
export function countingChains(family: Family): Chain[] {
  const ip = ipName[family];
  return [
    {
      // By the port that the connection came in by, which the balancer may have changed.
      name: 'count_way',
      rules: Object.values(protocolNumbers).map(
        (number) => `meta l4proto ${number} meta l4proto . ct original proto-dst . ${ip} daddr @${FLOWS_SET}`,
      ),
    },
    {
      name: 'count',
      base: { type: 'filter', hook: 'forward', priority: priorities.mangle, policy: 'accept' },
      rules: [
        `ct direction reply ct mark . ${ip} saddr @${SENT_SET} accept`,
        'ct status & confirmed == 0 ct mark set meta mark jump count_way',
        `ct mark . ${ip} daddr @${RECEIVED_SET}`,
      ],
    },
  ];
}
