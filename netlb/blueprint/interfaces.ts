import { addressOf, macOf, parseCidr } from '../../lib/ip.js';
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
  cidr: string,
  mtu: number,
): InterfaceBlueprint {
  const name = interfaceName(index);
  return {
    name,
    mac: endpoint.mac,
    mtu,
    address: cidr,
    port: {
      namespace: overlayNamespace(endpoint.networkId),
      bridge: OVERLAY_BRIDGE,
      name: portName(OVERLAY_PORTS, owner, name, endpoint.networkId, cidr, endpoint.mac),
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
    address: cidr,
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

/** Prefix length of the subnet that an address lies in: the first gateway's whose subnet has it. */
export function cidrIn(network: OverlayNetwork, address: string): string | undefined {
  const value = parseCidr(`${address}/32`).base;
  const gateway = network.gateways.map(parseCidr).find(({ base, last }) => value >= base && value <= last);
  return gateway && `${address}/${gateway.prefix}`;
}
