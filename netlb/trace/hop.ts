import type { Tap } from './queries.js';

/** What a hop is about. */
export type HopKind =
  | 'resolver'
  | 'route'
  | 'balancer'
  | 'translation'
  | 'filter'
  | 'neighbour'
  | 'link'
  | 'bridge'
  | 'fdb'
  | 'vxlan'
  | 'underlay'
  | 'esp'
  | 'interface'
  | 'socket'
  | 'outside'
  | 'node';

/** `doubtful`: passes, or passes for some packets. */
export type HopStatus = 'ok' | 'doubtful' | 'broken';

export interface Candidate {
  readonly address: string;
  readonly port: number | undefined;
  /** Turns of the round robin. */
  readonly weight: number;
  /** Whose address it is; empty when it is nobody's that we know. */
  readonly owner: string;
  /** Name of its node; empty when it is not known. */
  readonly node: string;
  /** Whether the trace goes on with it. */
  readonly taken: boolean;
}

/** One step of a packet's way. */
export interface Hop {
  /** `back`: of the answer. */
  readonly leg: 'there' | 'back';
  /** Name of the node; empty outside of the swarm. */
  readonly node: string;
  /** File of the network namespace; empty: the node's own. */
  readonly namespace: string;
  /** Whose namespace it is, for people. */
  readonly owner: string;
  readonly kind: HopKind;
  /** In a few words: "eth0 (2) → vethA (7)". */
  readonly title: string;
  /** What the kernel shows, by name. */
  readonly details: Readonly<Record<string, string>>;
  readonly status: HopStatus;
  /** Why it is not ok; empty otherwise. */
  readonly reason: string;
  /** How to look at it or mend it; empty when there is nothing to say. */
  readonly hint: string;
  readonly candidates: readonly Candidate[];
  /** Where a packet of a probe can be seen that has come so far. */
  readonly tap: (Tap & { readonly nodeId: string }) | undefined;
}

export interface Trace {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port: number | undefined;
  readonly hops: readonly Hop[];
  /** Whether a packet gets there, and its answer back. */
  readonly complete: boolean;
  /** In one sentence. */
  readonly verdict: string;
}
