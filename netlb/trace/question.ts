import type { TraceProtocol } from './packet.js';

/** Who and where: what managers know, or what a node knows of itself. The kernel's state is never told from it. */
export interface Directory {
  readonly nodes: readonly DirectoryNode[];
  /** Whether all nodes are among them: a node that is no manager knows itself alone. */
  readonly whole: boolean;
  readonly endpoints: readonly DirectoryEndpoint[];
  /** Owners of namespaces by name of the file. */
  readonly owners: Readonly<Record<string, string>>;
}

export interface DirectoryNode {
  readonly id: string;
  readonly name: string;
  /** Its data-path address; empty when it has none. */
  readonly vtep: string;
  /** Others at which it is reached. */
  readonly addresses: readonly string[];
}

export interface DirectoryEndpoint {
  readonly address: string;
  /** "web.1" */
  readonly owner: string;
  /** Of the namespace; empty for virtual addresses, which no interface has. */
  readonly namespace: string;
  /** Node id; empty for virtual addresses. */
  readonly node: string;
  readonly network: string;
}

export type Sender =
  | { readonly kind: 'sandbox'; readonly node: string; readonly namespace: string; readonly label: string }
  | { readonly kind: 'node'; readonly node: string; readonly label: string }
  | { readonly kind: 'outside'; readonly address: string; readonly label: string };

export interface Receiver {
  readonly label: string;
  /** What the sender's resolver is asked for; undefined: the address is given. */
  readonly name: string | undefined;
  /** Undefined: the resolver tells. */
  readonly address: string | undefined;
}

export interface Question {
  readonly from: Sender;
  readonly to: Receiver;
  readonly protocol: TraceProtocol;
  /** Undefined for ICMP. */
  readonly port: number | undefined;
  /** Address that a balancer shall be taken to choose, when it has a choice. */
  readonly prefer: string;
}
