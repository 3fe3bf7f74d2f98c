/**
 * In a task: the mesh brings its connections under the published port, whatever balances them, and here they
 * get the target port. So tasks of one service may have different targets while it is updated, and two
 * published ports that lead to one target stay two connections on the way.
 */
import { addressType, type Family, ipName } from '../nft/family.js';
import { type Chain, type NftSet, priorities } from '../nft/table.js';
import type { IngressPort } from '../state.js';
import { answeredFamilies, fromClients, type IngressPlace, oneOfFamily } from './ingress-place.js';
import { portKey } from './ports.js';

const NOTHING = { sets: [], chains: [] };

/**
 * For one family's table; nothing where clients of it cannot be answered.
 * @param keepsSource clients are seen under their own address, not under that of an ingress_sbox
 */
export function ingressPortObjects(
  place: IngressPlace,
  keepsSource: boolean,
  family: Family,
): { readonly sets: NftSet[]; readonly chains: Chain[] } {
  const { interface: device, ports } = place;
  const address = oneOfFamily(place.addresses, family);
  const gatewayAddress = oneOfFamily(place.gatewayAddresses, family);
  if (address === undefined || !answeredFamilies(place).includes(family)) return NOTHING;
  const header = ipName[family];
  const fromClient = keepsSource ? fromClients(place, family) : `iifname "${device}"`;
  // An unbound UDP socket answers a client outside from the address of the default route's interface.
  const destination = ({ protocol }: IngressPort) => (protocol === 'udp' && keepsSource ? gatewayAddress : address);
  return {
    sets: [
      {
        name: 'ingress_ports',
        key: 'inet_proto . inet_service',
        value: `${addressType[family]} . inet_service`,
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
        rules: [`ct state new ${fromClient} meta l4proto { 6, 17, 132 } meta l4proto . th dport != @ingress_open drop`],
      },
      {
        name: 'ingress_target',
        base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat, policy: 'accept' },
        rules: [`${fromClient} dnat ${header} to meta l4proto . th dport map @ingress_ports`],
      },
    ],
  };
}
