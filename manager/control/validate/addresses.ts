import { invalidArgument } from '../../../lib/errors.js';
import { addressOf, canonicalAddress, contains, parseAddress, parseCidr } from '../../../lib/ip.js';
import { checkHostAddress } from '../../../lib/ipam.js';
import type { IPAMConfig, Network } from '../../../proto/gen/index.js';

/**
 * @param addresses asked for in a network that is there
 * @throws INVALID_ARGUMENT for one that no task or service of the network can have, whoever else is there
 */
export function checkAddressesAreIn(network: Network, addresses: readonly string[]): void {
  const subnets = network.ipam.length > 0 ? network.ipam : network.spec.ipam.filter(({ subnet }) => subnet !== '');
  for (const text of addresses) {
    const address = parseAddress(text);
    const config = subnets.find(({ subnet }) => contains(parseCidr(subnet), address));
    if (!config) {
      throw invalidArgument(`address ${text} is not in network ${network.spec.name}`, {
        value: text,
        hint: `Its subnets are ${subnets.map(({ subnet }) => subnet).join(', ') || 'not given yet'}.`,
      });
    }
    checkHostAddress('address', text, parseCidr(config.subnet), config.subnet);
    const owner = ownerOf(config, canonicalAddress(text));
    if (owner) throw invalidArgument(`address ${text} is ${owner} of network ${network.spec.name}`, { value: text });
  }
}

function ownerOf({ gateway, auxiliaryAddresses }: IPAMConfig, address: string): string | undefined {
  if (gateway !== '' && canonicalAddress(addressOf(gateway)) === address) return 'the gateway';
  const named = Object.entries(auxiliaryAddresses).find(([, text]) => canonicalAddress(text) === address);
  return named && `auxiliary address "${named[0]}"`;
}
