/** What of a packet decides which way it goes. */
export type TraceProtocol = 'tcp' | 'udp' | 'icmp';

/** As a hook of netfilter sees it. */
export interface HookPacket {
  readonly protocol: TraceProtocol;
  readonly source: string;
  readonly destination: string;
  /** Undefined where it is not known: a client's own. */
  readonly sourcePort: number | undefined;
  /** Undefined for ICMP. */
  readonly destinationPort: number | undefined;
  readonly mark: number;
  readonly connectionMark: number;
  /** Of its connection. */
  readonly state: 'new' | 'established';
  /** What its connection has been given so far. */
  readonly translated: readonly ('dnat' | 'snat')[];
  /** Names of interfaces; empty where there is none. */
  readonly input: string;
  readonly output: string;
  /** Whether the destination is an address of the namespace. */
  readonly local: boolean;
  /** What masquerading makes the source; empty when it is not known. */
  readonly outputAddress: string;
  /** Of VXLAN: the network's identifier. */
  readonly vni?: number;
  /** Whether it leaves as ESP, or has come so; left out where that is not known. */
  readonly ipsec?: boolean;
}
