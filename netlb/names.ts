import { createHash } from 'node:crypto';
import { base36 } from '../lib/ids.js';
import { remembered } from '../lib/remembered.js';

/** Directory of the namespaces' files, under the run root. */
export const NAMESPACE_DIRECTORY = 'netns';

export const INGRESS_NAMESPACE = 'ingress_sbox';
export const GATEWAY_BRIDGE = 'swarm_gwbridge';
export const OVERLAY_BRIDGE = 'br0';
export const VXLAN_DEVICE = 'vxlan0';
export const TABLE = 'tsswarm';

/**
 * Group of every link that we make. It is set by the message that makes the link, so that what a crash
 * leaves behind is known for ours without any file that says so.
 */
export const LINK_GROUP = 0x7473;
/** Links about to be deleted: one delete by group costs as much as one delete by name. */
export const DOOMED_GROUP = 0x7474;

/** Of every route that we make in the node's own namespace, as `ip route` shows it (proto 115): nobody else has it. */
export const ROUTE_PROTOCOL = 0x73;

/** Of a routed network: the bridge of this node's subnet, and the device to the other nodes'. At most 15 bytes. */
export const routedBridgeName = (networkId: string): string => `br-${networkId.slice(0, 12)}`;
export const routedDeviceName = (vni: number): string => `routed.${vni}`;

/** What of the kernel belongs to the node itself has no namespace file. */
export const NODE_NAMESPACE = '';

export const overlayNamespace = (networkId: string): string => `1-${networkId.slice(0, 10)}`;

export const isOverlayNamespace = (name: string): boolean => name.startsWith('1-');

/** Setting of a link: 0 routers are not listened to, 1 unless the node forwards, 2 always. */
export const acceptRouters = (link: string): string => `net/ipv6/conf/${link}/accept_ra`;

export const interfaceName = (index: number): string => `eth${index}`;

/**
 * How names of ports begin: in overlays, on the gateway bridge, on local bridges, and on those of them whose endpoints
 * do not reach each other, which rules must know by name.
 */
export const OVERLAY_PORTS = 've';
export const GATEWAY_PORTS = 'vg';
export const BRIDGE_PORTS = 'veth';
export const SILENT_PORTS = 'vn';

/**
 * Name of a veth's end on a bridge. It is told from all that makes the pair what it is, so that a pair
 * which shall be another has another name: to compare names is to compare pairs.
 */
export function portName(prefix: string, ...identity: readonly string[]): string {
  return prefix + portDigest(identity.join('/'));
}

const portDigest = remembered((identity) => base36(createHash('sha256').update(identity).digest(), 11));
