import type { Scheduler } from '../../lib/schedulers.js';
import type { IpvsBlueprint, IpvsServiceBlueprint, Sysctl } from '../blueprint/model.js';
import type { Chain, NftSet } from '../nft/table.js';
import type { Backend, TransportProtocol } from '../state.js';

/** A published port in ingress_sbox. Its packets carry `mark` when the balancer sees them. */
export interface MarkedService {
  readonly mark: number;
  readonly protocol: TransportProtocol;
  readonly published: number;
  /** The port under which its packets come in, by which the sandbox knows them: the published one, or another's stand-in. */
  readonly entry: number;
  /** Of both families. */
  readonly backends: readonly Backend[];
  /** One that the balancer has. */
  readonly scheduler: Scheduler;
  /** Seconds for which a client address keeps its backend; 0: not at all. */
  readonly affinity: number;
}

export type BalancerKind = 'nft' | 'ipvs';

/**
 * What spreads the connections that enter by a published port, in ingress_sbox. Whoever implements it
 * keeps these promises, which one test suite checks:
 *
 * - New connections of a mark go to its backends as its scheduler says; with `rr` by weight, in turn: after
 *   any number of them each backend has its share to within one.
 * - A connection stays with its backend while it lasts, whatever happens to the others.
 * - A backend of weight 0 gets no new connections and keeps those that it has; clients with affinity to it go elsewhere.
 * - The client's source address and port are not changed.
 * - The destination becomes the backend's address, and the port is the published one, which the task's own
 *   namespace turns into its target port.
 * - A mark without a backend of positive weight is left alone: the sandbox then refuses the packet.
 * - A change of one service changes no object of another.
 */
export interface Balancer {
  readonly kind: BalancerKind;
  readonly schedulers: ReadonlySet<Scheduler>;
  /** Of the sandbox. */
  readonly sysctls: readonly Sysctl[];
  /** Undefined: it does without IPVS. */
  readonly timeouts: IpvsBlueprint['timeouts'] | undefined;
  /** For the connections of one family: of the services' backends those that have it. Marks are the same in both. */
  objects(services: readonly MarkedService[], family: 4 | 6): BalancerObjects;
}

/** Objects for the sandbox's table of one family, and what IPVS has for that family. */
export interface BalancerObjects {
  readonly sets: readonly NftSet[];
  readonly chains: readonly Chain[];
  /** Words of a rule: which of the packets that come from clients need their mark. */
  readonly marked: string;
  /** Rules for the chain `input`: what the balancer takes there, before the rest is refused. */
  readonly input: readonly string[];
  /** Rules for the chain `forward`: what has been balanced. */
  readonly forward: readonly string[];
  readonly ipvs: readonly IpvsServiceBlueprint[];
  /** Whether its chains look each new connection up among the ways that connections take, so that these are counted. */
  readonly countsFlows: boolean;
}
