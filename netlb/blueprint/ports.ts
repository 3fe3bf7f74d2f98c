import { canonicalAddress, familyOf, isAddress } from '../../lib/ip.js';
import { addressType, type Family } from '../nft/family.js';
import { protocolNumbers } from '../nft/table.js';
import type { PublishedPort, TransportProtocol } from '../state.js';

interface Port {
  readonly protocol: TransportProtocol;
  readonly published: number;
}

/** A port as nft's sets have it: `6 . 8080`. */
export const portKey = ({ protocol, published }: Port): string => `${protocolNumbers[protocol]} . ${published}`;

/** All local addresses of one family; an empty text is all of both. */
export const ANY = { 4: '0.0.0.0', 6: '::' } as const;

/**
 * Where a published port is to answer over one family: an address of it, or empty for all of them; undefined when
 * nowhere.
 */
export function hostAddressOver(hostAddress: string, family: 4 | 6): string | undefined {
  if (hostAddress === '') return '';
  if (familyOf(hostAddress) !== family) return undefined;
  const address = canonicalAddress(hostAddress);
  return address === ANY[family] ? '' : address;
}

/** A port on one address. */
export const portAtKey = (port: Port & { readonly hostAddress: string }): string =>
  `${port.hostAddress} . ${portKey(port)}`;

/** As the kernel has it. What is no address stays as it is, to be told by who checks it. */
export const kernelAddress = (text: string): string => (isAddress(text) ? canonicalAddress(text) : text);

/** A port with its addresses as the kernel has them. */
export const kernelPort = (port: PublishedPort): PublishedPort => ({
  ...port,
  hostAddress: kernelAddress(port.hostAddress),
  backends: port.backends.map((backend) => ({ ...backend, address: kernelAddress(backend.address) })),
});

/** A way that connections to a port go: `6 . 8080 . 10.0.0.11`. */
export const flowKey = (port: Port, backend: string): string => `${portKey(port)} . ${backend}`;

/** Set of all ways that connections may have taken: those that are no longer wanted are cut by it. */
export const FLOWS_SET = 'flows';
export const flowsType = (family: Family): string => `inet_proto . inet_service . ${addressType[family]}`;

/** The same for ports on one address: `192.0.2.7 . 6 . 8080`. */
export const FLOWS_AT_SET = 'flows_at';

/** The same for virtual addresses: `10.0.1.2 . 10.0.1.5`, `fd00:1::2 . fd00:1::5`. */
export const VIRTUAL_FLOWS_SET = 'virtual_flows';
export const virtualFlowsType = (family: Family): string => `${addressType[family]} . ${addressType[family]}`;

/** Addresses at which a port of all addresses stays a process's: `127.0.0.1 . 6 . 8080`. There while there are any. */
export const SPARED_SET = 'spared_ports';
