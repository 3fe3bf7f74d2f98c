/** What the two families of IP are called in nft(8). */

export type Family = 4 | 6;

/** A table's family, and a packet's header in a rule. */
export const ipName = { 4: 'ip', 6: 'ip6' } as const;

/** An address in a set. */
export const addressType = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const;

/** ICMP in a rule. */
export const icmpName = { 4: 'icmp', 6: 'icmpv6' } as const;
