import { addressOf, contains, formatAddress, macOf, parseAddress, parseCidr } from '../../lib/ip.js';
import {
  GATEWAY_BRIDGE,
  GATEWAY_PORTS,
  interfaceName,
  NODE_NAMESPACE,
  OVERLAY_BRIDGE,
  OVERLAY_PORTS,
  overlayNamespace,
  portName,
} from '../names.js';
import type { SandboxEndpoint } from '../state.js';
import type { InterfaceBlueprint, RouteBlueprint } from './model.js';

const TABLE_MAIN = 254;

/** What sandboxes need to know of an overlay. */
export interface OverlayNetwork {
  readonly id: string;
  readonly mtu: number;
  /** CIDR of each subnet's gateway. */
  readonly gateways: readonly string[];
}

/** @param owner id of whose interface it is, shown as the port's alias */
export function overlayInterface(
  owner: string,
  index: number,
  endpoint: SandboxEndpoint,
  cidrs: readonly string[],
  mtu: number,
): InterfaceBlueprint {
  const name = interfaceName(index);
  return {
    name,
    mac: endpoint.mac,
    mtu,
    addresses: cidrs,
    port: {
      namespace: overlayNamespace(endpoint.networkId),
      bridge: OVERLAY_BRIDGE,
      name: portName(OVERLAY_PORTS, owner, name, endpoint.networkId, ...cidrs, endpoint.mac),
      alias: `${owner} ${name}`,
      isolated: false,
    },
  };
}

export function gatewayInterface(
  owner: string,
  index: number,
  cidr: string,
  mtu: number,
  isolated: boolean,
): InterfaceBlueprint {
  const name = interfaceName(index);
  return {
    name,
    mac: macOf(cidr),
    mtu,
    addresses: [cidr],
    port: {
      namespace: NODE_NAMESPACE,
      bridge: GATEWAY_BRIDGE,
      name: portName(GATEWAY_PORTS, owner, name, cidr),
      alias: `${owner} ${name}`,
      isolated,
    },
  };
}

/** @param mtu of the path, when it is less than the interface's for what comes back another way */
export const defaultRoute = (gateway: string, name: string, mtu?: number): RouteBlueprint => ({
  destination: '0.0.0.0/0',
  via: addressOf(gateway),
  interface: name,
  onlink: false,
  table: TABLE_MAIN,
  mtu,
});

/**
 * An address in canonical form with the prefix length of the subnet that it lies in: the first gateway's
 * whose subnet has it. Undefined when none has.
 */
export function cidrIn(gateways: readonly string[], address: string): string | undefined {
  const parsed = parseAddress(address);
  const subnet = gateways.map(parseCidr).find((cidr) => contains(cidr, parsed));
  return subnet && `${formatAddress(parsed)}/${subnet.prefix}`;
}
