/** What a sandbox's interfaces are called, which addresses they have, and by which of them it reaches the world. */
import { invalidArgument } from '../../lib/errors.js';
import { addressOf, contains, familyOf, parseAddress, parseCidr } from '../../lib/ip.js';
import { interfaceName } from '../names.js';
import type { GatewayBridge, Sandbox, SandboxEndpoint } from '../state.js';
import type { BridgeNetwork } from './bridges.js';
import type { Facts } from './facts.js';
import { cidrIn, gatewayAddress6, type OverlayNetwork } from './interfaces.js';

export type Network = OverlayNetwork | BridgeNetwork;

export interface Layout {
  /** In the sandbox's order. */
  readonly endpoints: readonly Place[];
  readonly gateway: GatewayPlace | undefined;
}

export interface Place {
  readonly name: string;
  readonly endpoint: SandboxEndpoint;
  readonly network: Network;
  readonly cidrs: readonly string[];
}

export interface GatewayPlace {
  readonly name: string;
  /** The IPv4 address, and perhaps one for IPv6. */
  readonly cidrs: readonly [string, ...string[]];
  readonly bridge: GatewayBridge;
}

/** @throws INVALID_ARGUMENT */
export function layoutOf(
  sandbox: Sandbox,
  networks: ReadonlyMap<string, Network>,
  gateway: { readonly bridge: GatewayBridge; readonly cidr: string } | undefined,
  facts: Facts,
): Layout {
  const names = endpointNames(sandbox);
  return {
    endpoints: sandbox.endpoints.map((endpoint, i): Place => {
      const name = names[i] ?? interfaceName(i);
      const network = networks.get(endpoint.networkId);
      if (network === undefined)
        throw invalidArgument(`${name} belongs to network ${endpoint.networkId}, which this node does not have`);
      return { name, endpoint, network, cidrs: endpoint.addresses.map((address) => placeIn(network, name, address)) };
    }),
    gateway: gateway && {
      name: gatewayName(names, facts.gatewayInterfaces.get(sandbox.id)),
      cidrs: gatewayCidrs(sandbox, gateway.bridge, gateway.cidr),
      bridge: gateway.bridge,
    },
  };
}

function endpointNames({ id, endpoints }: Sandbox): string[] {
  const names = endpoints.map((endpoint, i) => endpoint.interface ?? interfaceName(i));
  for (const [i, name] of names.entries()) {
    if (!isInterfaceName(name))
      throw invalidArgument(`"${name}" cannot be an interface of a sandbox`, {
        value: name,
        hint: 'It is eth<number>.',
      });
    if (names.indexOf(name) !== i)
      throw invalidArgument(`two endpoints of sandbox ${id} want to be ${name}`, { value: name });
  }
  return names;
}

const isInterfaceName = (name: string): boolean => /^eth\d{1,6}$/.test(name);

function placeIn({ id, gateways }: Network, name: string, address: string): string {
  const cidr = cidrIn(gateways, address);
  if (cidr === undefined)
    throw invalidArgument(`address ${address} of ${name} is in no subnet of network ${id}`, { value: address });
  return cidr;
}

/** The last when it is made; it stays what it is when endpoints come and go. */
function gatewayName(names: readonly string[], now: string | undefined): string {
  if (now !== undefined && isInterfaceName(now) && !names.includes(now)) return now;
  return interfaceName(Math.max(-1, ...names.map((name) => Number(name.slice('eth'.length)))) + 1);
}

/** Those who have IPv6 in their networks have it on the gateway bridge too. */
function gatewayCidrs({ endpoints }: Sandbox, bridge: GatewayBridge, cidr: string): readonly [string, ...string[]] {
  const v6 = endpoints.some(({ addresses }) => addresses.some((address) => familyOf(address) === 6));
  return v6 && bridge.address6 !== '' ? [cidr, gatewayAddress6(bridge, cidr)] : [cidr];
}

/** The gateway of the subnet that an address is in, as a CIDR. */
export const gatewayIn = ({ gateways }: Network, cidr: string): string | undefined =>
  gateways.find((candidate) => contains(parseCidr(candidate), parseAddress(addressOf(cidr))));

/** How a sandbox reaches the world, and is reached, over one family. */
export interface WayOut {
  readonly interface: string;
  readonly address: string;
  /** The gateway's address. */
  readonly via: string;
}

/** The gateway bridge, or else the first local bridge that leads out; undefined when neither has the family. */
export function wayOut({ endpoints, gateway }: Layout, family: 4 | 6): WayOut | undefined {
  const ofFamily = (cidr: string) => familyOf(cidr) === family;
  const own = gateway?.cidrs.find(ofFamily);
  if (gateway && own !== undefined) {
    const { address, address6 } = gateway.bridge;
    return { interface: gateway.name, address: addressOf(own), via: addressOf(family === 4 ? address : address6) };
  }
  for (const { name, network, cidrs } of endpoints) {
    if (network.kind !== 'bridge' || network.internal) continue;
    const cidr = cidrs.find(ofFamily);
    const via = cidr && gatewayIn(network, cidr);
    if (cidr && via) return { interface: name, address: addressOf(cidr), via: addressOf(via) };
  }
  return undefined;
}
