/**
 * A blueprint is the desired state in the kernel's own terms: which objects each namespace has, under
 * which name and with which settings. It decides nothing that the kernel could tell; `plan` compares it
 * with what is there.
 */
import type { IpvsDestination, IpvsService, IpvsTimeouts } from '../kernel/ipvs.js';
import type { Table } from '../nft/table.js';
import type { ApplyProblem } from '../state.js';
import type { EncryptionBlueprint } from './encryption.js';

export type Subject = ApplyProblem['subject'];

export interface Blueprint {
  /**
   * The node's own, then overlays, the ingress sandbox, tasks: an earlier one never needs a later one.
   * Undefined when nothing can be said, so that nothing shall be changed.
   */
  readonly namespaces: readonly NamespaceBlueprint[] | undefined;
  /**
   * Names of namespaces, and of links of the node, and destinations of its routes, that shall be, but whose
   * description is not well-formed or cannot be followed: they are left as they are.
   */
  readonly spared: ReadonlySet<string>;
  /** In the node's own namespace. Undefined: left as it is. */
  readonly encryption: EncryptionBlueprint | undefined;
  readonly problems: readonly ApplyProblem[];
}

export interface NamespaceBlueprint {
  /** Name of its file; NODE_NAMESPACE for the node's own. */
  readonly name: string;
  /** Whom problems with it concern. */
  readonly subject: Subject;
  readonly sysctls: readonly Sysctl[];
  readonly bridges: readonly BridgeBlueprint[];
  readonly vxlans: readonly VxlanBlueprint[];
  /** Interfaces: ends of veth pairs whose other ends are bridge ports in an earlier namespace. */
  readonly interfaces: readonly InterfaceBlueprint[];
  readonly routes: readonly RouteBlueprint[];
  readonly rules: readonly RuleBlueprint[];
  readonly neighbours: readonly NeighbourBlueprint[];
  readonly tables: readonly Table[];
  /** Undefined: IPVS balances nothing there. */
  readonly ipvs?: IpvsBlueprint;
}

export interface IpvsBlueprint {
  readonly timeouts: IpvsTimeouts;
  readonly services: readonly IpvsServiceBlueprint[];
}

/** Of one mark and family. */
export interface IpvsServiceBlueprint extends IpvsService {
  readonly destinations: readonly IpvsDestination[];
}

export interface Sysctl {
  readonly key: string;
  readonly value: string;
  /** Comes and goes with this link of the namespace. */
  readonly link?: string;
  /** Not every kernel has it (a module that is not loaded): nothing is missed then. */
  readonly optional?: true;
  /** A number: a greater one that is there already stays. */
  readonly atLeast?: true;
}

export interface BridgeBlueprint {
  readonly name: string;
  /** Whom problems with it concern. */
  readonly subject: Subject;
  readonly mac: string | undefined;
  readonly mtu: number;
  /** All its addresses but link-local ones, as CIDR, of either family. */
  readonly addresses: readonly string[];
}

/** Made in the node's namespace, where its UDP socket stays wherever it is. */
export interface VxlanBlueprint {
  readonly name: string;
  /** Whom problems with it concern. */
  readonly subject: Subject;
  /** Bridge that it is a port of; undefined: packets are routed to it. */
  readonly bridge: string | undefined;
  readonly vni: number;
  readonly port: number;
  readonly local: string;
  readonly mtu: number;
  /** Undefined: the kernel chooses. */
  readonly mac: string | undefined;
  /** CIDRs, all but link-local ones. */
  readonly addresses: readonly string[];
  readonly remotes: readonly Remote[];
}

/** A neighbour of the device; and for each MAC a forwarding entry of the device and one of its bridge, if it has one. */
export interface Remote {
  readonly address: string;
  readonly mac: string;
  readonly vtep: string;
}

export interface InterfaceBlueprint {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** CIDRs, of either family. Those that others add stay. */
  readonly addresses: readonly string[];
  readonly port: PortBlueprint;
}

/** The other end. */
export interface PortBlueprint {
  /** Namespace of the bridge. */
  readonly namespace: string;
  readonly bridge: string;
  readonly name: string;
  /** What `ip -d link` shows: whose it is. */
  readonly alias: string;
  readonly isolated: boolean;
  /** A frame may go back where it came from. */
  readonly hairpin: boolean;
}

export interface RouteBlueprint {
  readonly destination: string;
  /** Undefined: the destination is on the link. */
  readonly via: string | undefined;
  readonly interface: string;
  readonly onlink: boolean;
  readonly table: number;
  readonly mtu: number | undefined;
  /** Of those of the node's namespace, where others have routes too. */
  readonly protocol?: number;
  /** The address that packets are sent from if their sender has chosen none. */
  readonly source?: string;
  /** Whom problems with it concern, if not the namespace's subject. */
  readonly subject?: Subject;
}

export interface RuleBlueprint {
  readonly family: 4 | 6;
  readonly priority: number;
  /** Undefined: whatever its mark. */
  readonly fwmark: number | undefined;
  readonly fwmask: number | undefined;
  readonly table: number;
}

export interface NeighbourBlueprint {
  readonly address: string;
  readonly mac: string;
  readonly interface: string;
}
