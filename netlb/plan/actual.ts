/** What the kernel shows of a node's network, as read by reconcile/. */
import type { IpvsServiceBlueprint } from '../blueprint/model.js';
import type { IpvsTimeouts } from '../kernel/ipvs.js';
import type { InterfaceAddress, Link, Neighbour, Route, Rule } from '../kernel/rtnetlink.js';
import type { Firewall } from '../nft/firewall.js';
import type { ActualTable } from '../nft/table.js';
import type { ActualEncryption } from './encryption.js';
import type { ActualTunnel } from './tunnels.js';

export interface ActualState {
  /** By name, the node's own included. */
  readonly namespaces: ReadonlyMap<string, ActualNamespace>;
  /** Those of them whose file somebody has removed: processes may still be inside. */
  readonly nameless: ReadonlySet<string>;
  /** Files among the namespaces' that are none: what a reboot left. */
  readonly staleFiles: readonly string[];
}

export interface ActualNamespace {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** Of the main table and the way back's. */
  readonly routes: readonly Route[];
  /** Of a task's namespace and ingress_sbox. */
  readonly rules: readonly Rule[];
  /** Of a sandbox's interfaces. */
  readonly neighbours: readonly Neighbour[];
  /** By the index of a VXLAN device; of overlays and of the node's namespace. */
  readonly tunnels: ReadonlyMap<number, ActualTunnel>;
  /** By key; missing ones are not in the kernel. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** By `family name`; only tables that are named as ours. */
  readonly tables: ReadonlyMap<string, ActualTable>;
  /** Others' chains that drop what is forwarded; of the node's namespace. */
  readonly firewalls: readonly Firewall[];
  /** Others' rules ask for the connections of what the node itself sends or receives (nft/stateful.ts), or may do so. */
  readonly stateful: boolean;
  /** IPsec; of the node's namespace. */
  readonly encryption: ActualEncryption;
  /** Of the ingress sandbox; undefined: the kernel has no IPVS, or nobody has looked. */
  readonly ipvs: ActualIpvs | undefined;
}

export interface ActualIpvs {
  readonly timeouts: IpvsTimeouts;
  /** By name (kernel/ipvs.ts), others' included: the namespace is ours. */
  readonly services: ReadonlyMap<string, IpvsServiceBlueprint>;
}

/** A namespace that shows nothing, or is not there yet. */
export const NOTHING_ACTUAL: ActualNamespace = {
  links: [],
  addresses: [],
  routes: [],
  rules: [],
  neighbours: [],
  tunnels: new Map(),
  sysctls: new Map(),
  tables: new Map(),
  firewalls: [],
  stateful: false,
  ipvs: undefined,
  encryption: { associations: [], policies: [] },
};
