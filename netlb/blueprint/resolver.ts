/**
 * Leads what a sandbox asks of 127.0.0.11:53 to its resolver, which listens there on ports of the kernel's choice:
 * an application may have port 53 of all addresses for itself. Ports are rewritten in the packets, both ways,
 * without connection tracking. Tracked, every query of a flood would hold an entry of the machine's one table
 * for half a minute, and a client that keeps its source port would be led to the old ports after a restart.
 */
import { type Chain, priorities } from '../nft/table.js';

export const RESOLVER_ADDRESS = '127.0.0.11';
const DNS_PORT = 53;

/** Where a sandbox's resolver listens. */
export interface ResolverPorts {
  readonly udp: number;
  readonly tcp: number;
}

/** Queries and answers are both sent inside the sandbox: both pass its output hook. */
export function resolverChains({ udp, tcp }: ResolverPorts): Chain[] {
  return [
    {
      name: 'resolver_ask',
      rules: [
        `udp dport ${DNS_PORT} notrack udp dport set ${udp} accept`,
        `tcp dport ${DNS_PORT} notrack tcp dport set ${tcp} accept`,
      ],
    },
    {
      name: 'resolver_answer',
      rules: [
        `udp sport ${udp} notrack udp sport set ${DNS_PORT} accept`,
        `tcp sport ${tcp} notrack tcp sport set ${DNS_PORT} accept`,
      ],
    },
    {
      name: 'resolver',
      base: { type: 'filter', hook: 'output', priority: priorities.raw, policy: 'accept' },
      rules: [`ip daddr ${RESOLVER_ADDRESS} jump resolver_ask`, `ip saddr ${RESOLVER_ADDRESS} jump resolver_answer`],
    },
  ];
}
