import { parseCidr } from '../../lib/ip.js';

export const AF_UNSPEC = 0;
const AF_INET = 2;
export const AF_BRIDGE = 7;
const AF_INET6 = 10;

export const familyNumber = (family: 4 | 6): number => (family === 4 ? AF_INET : AF_INET6);

export interface SplitCidr {
  readonly family: 4 | 6;
  readonly address: string;
  readonly prefix: number;
}

/** @throws INVALID_ARGUMENT when it is not `address/prefix` */
export function splitCidr(cidr: string): SplitCidr {
  const { family, prefix } = parseCidr(cidr);
  return { family, address: cidr.slice(0, cidr.indexOf('/')), prefix };
}
