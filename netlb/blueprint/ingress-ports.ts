/**
 * In a task: the mesh brings its connections under the published port, whatever balances them, and here they
 * get the target port. So tasks of one service may have different targets while it is updated, and two
 * published ports that lead to one target stay two connections on the way.
 */
import { type Cidr, formatCidr } from '../../lib/ip.js';
import { type Chain, type NftSet, priorities } from '../nft/table.js';
import type { IngressPort } from '../state.js';
import { portKey } from './ports.js';

export interface IngressPlace {
  /** The interface in the ingress overlay. */
  readonly interface: string;
  /** Of the ingress network. */
  readonly subnet: Cidr;
  /** The task's address in it. */
  readonly address: string;
  /** The task's address on the gateway bridge. */
  readonly gatewayAddress: string;
  readonly ports: readonly IngressPort[];
}

/** @param keepsSource clients are seen under their own address, not under that of an ingress_sbox */
export function ingressPortObjects(
  { interface: device, subnet, address, gatewayAddress, ports }: IngressPlace,
  keepsSource: boolean,
): { readonly sets: NftSet[]; readonly chains: Chain[] } {
  const fromClient = `iifname "${device}"${keepsSource ? ` ip saddr != ${formatCidr(subnet)}` : ''}`;
  // An unbound UDP socket answers a client outside from the address of the default route's interface.
  const destination = ({ protocol }: IngressPort) => (protocol === 'udp' && keepsSource ? gatewayAddress : address);
  return {
    sets: [
      {
        name: 'ingress_ports',
        key: 'inet_proto . inet_service',
        value: 'ipv4_addr . inet_service',
        keep: 'exact',
        elements: ports.map((port) => `${portKey(port)} : ${destination(port)} . ${port.target}`),
      },
      { name: 'ingress_open', key: 'inet_proto . inet_service', keep: 'exact', elements: ports.map(portKey) },
    ],
    chains: [
      {
        // Silently: a port that was published just now may not be known here yet, and the client sends again.
        name: 'ingress_closed',
        base: { type: 'filter', hook: 'prerouting', priority: priorities.mangle, policy: 'accept' },
        rules: [`${fromClient} ct state new meta l4proto { 6, 17, 132 } meta l4proto . th dport != @ingress_open drop`],
      },
      {
        name: 'ingress_target',
        base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat, policy: 'accept' },
        rules: [`${fromClient} dnat ip to meta l4proto . th dport map @ingress_ports`],
      },
    ],
  };
}
