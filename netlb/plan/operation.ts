/**
 * One difference between what shall be and what is. Operations name objects by name: the indexes of
 * things that are made on the way are not known yet.
 */
import type { AssociationBlueprint } from '../blueprint/encryption.js';
import type {
  BridgeBlueprint,
  InterfaceBlueprint,
  IpvsServiceBlueprint,
  NeighbourBlueprint,
  Remote,
  RouteBlueprint,
  RuleBlueprint,
  Subject,
  VxlanBlueprint,
} from '../blueprint/model.js';
import type { FlowFilter } from '../kernel/conntrack.js';
import type { IpvsDestination, IpvsService, IpvsServiceId, IpvsTimeouts } from '../kernel/ipvs.js';
import type { AssociationId, SecurityPolicy } from '../kernel/xfrm.js';
import type { Transaction } from '../nft/diff.js';
import type { ActualTable, TableFamily } from '../nft/table.js';
import type { ActualTunnel } from './tunnels.js';

export type Operation = { readonly subject: Subject; readonly namespace: string } & Action;

export type RemotesOperation = Extract<Operation, { kind: 'add-remotes' | 'remove-remotes' }>;

export type Action =
  | { readonly kind: 'create-namespace' }
  /** Its file is made again. */
  | { readonly kind: 'name-namespace' }
  /** `vxlan`: its device, deleted first, so that the VNI is free even if a process keeps the namespace. */
  | { readonly kind: 'remove-namespace'; readonly vxlan: string | undefined }
  | { readonly kind: 'remove-stale-file' }
  /** `optional`: fine when the kernel does not have it. */
  | { readonly kind: 'set-sysctl'; readonly key: string; readonly value: string; readonly optional: boolean }
  | { readonly kind: 'raise-loopback' }
  | { readonly kind: 'remove-links'; readonly names: readonly string[] }
  | { readonly kind: 'create-bridge'; readonly bridge: BridgeBlueprint }
  | { readonly kind: 'create-vxlan'; readonly vxlan: VxlanBlueprint }
  | { readonly kind: 'create-interface'; readonly interface: InterfaceBlueprint }
  | { readonly kind: 'change-link'; readonly name: string; readonly change: LinkAttributes }
  | { readonly kind: 'add-address' | 'remove-address'; readonly link: string; readonly cidr: string }
  | {
      readonly kind: 'add-remotes' | 'remove-remotes';
      readonly vxlan: string;
      readonly remotes: readonly RemoteEntries[];
      /** What the device has then. */
      readonly leaves: ActualTunnel;
    }
  | { readonly kind: 'set-route'; readonly route: RouteBlueprint }
  /** One of ours that nothing asks for, by its destination. */
  | { readonly kind: 'remove-route'; readonly destination: string; readonly index: number | undefined }
  | { readonly kind: 'add-rule'; readonly rule: RuleBlueprint }
  | { readonly kind: 'set-neighbour'; readonly neighbour: NeighbourBlueprint }
  | { readonly kind: 'set-ipvs-timeouts'; readonly timeouts: IpvsTimeouts }
  /** With its destinations. */
  | { readonly kind: 'add-ipvs-service'; readonly service: IpvsServiceBlueprint }
  | { readonly kind: 'set-ipvs-service'; readonly service: IpvsService }
  | { readonly kind: 'remove-ipvs-service'; readonly service: IpvsServiceId }
  | {
      readonly kind: 'add-ipvs-destinations' | 'set-ipvs-destinations' | 'remove-ipvs-destinations';
      readonly service: IpvsServiceId;
      readonly destinations: readonly IpvsDestination[];
    }
  | { readonly kind: 'add-associations'; readonly associations: readonly AssociationBlueprint[] }
  | { readonly kind: 'remove-associations'; readonly associations: readonly AssociationId[] }
  /** Makes them, or lets those of the same addresses ask for another association. */
  | { readonly kind: 'set-policies' | 'remove-policies'; readonly policies: readonly SecurityPolicy[] }
  | { readonly kind: 'run-nft'; readonly commands: Transaction; readonly leaves: TablesChange }
  | {
      readonly kind: 'forget-flows';
      readonly flows: readonly FlowFilter[];
      /** Those that journals remember. */
      readonly ways: readonly JournalledWay[];
      /** Takes them out of their journals afterwards. */
      readonly journal: readonly Transaction[];
      readonly leaves: TablesChange;
    };

/** A way that connections may have taken. */
export interface JournalledWay {
  readonly flow: FlowFilter;
  /** What counts the connections that take it: none did when it has counted nothing. */
  readonly counter?: {
    readonly family: TableFamily;
    readonly set: string;
    /** Type of the set's keys. */
    readonly key: string;
    readonly element: string;
  };
}

/** What nft commands leave of tables, by `family name`; undefined: no such table. Others are as they were. */
export type TablesChange = ReadonlyMap<string, ActualTable | undefined>;

export interface LinkAttributes {
  readonly mac?: string;
  readonly mtu?: number;
  readonly up?: true;
  /** Name of a bridge in the same namespace. */
  readonly master?: string;
  readonly isolated?: boolean;
  readonly hairpin?: boolean;
  readonly alias?: string;
}

/** Which of a remote endpoint's three entries are missing, or too many. */
export interface RemoteEntries {
  /** ARP entry of the VXLAN device. */
  readonly neighbour?: Pick<Remote, 'address' | 'mac'>;
  /** Forwarding entry of the VXLAN device. */
  readonly forward?: Pick<Remote, 'mac' | 'vtep'>;
  /** Forwarding entry of the bridge, towards the VXLAN device. */
  readonly port?: Pick<Remote, 'mac'>;
}
