/**
 * The whole network state that a node shall have. It is always given whole; NetworkPlane compares it
 * with what the kernel shows and makes the difference. Addresses are text (`10.0.1.5`), subnets and
 * interface addresses are CIDR text (`10.0.1.5/24`), MACs are `02:42:0a:00:01:05`.
 *
 * What it becomes in the kernel (names as `ip`, `bridge` and `nft` show them):
 *
 *   node's namespace   swarm_gwbridge 172.18.0.1/16 with one isolated port per sandbox; table `ip tsswarm`
 *   1-<network, 10>    br0 with the gateway address, vxlan0 with FDB and neighbours, one veth per local endpoint
 *   ingress_sbox       eth0 in the ingress overlay, eth1 172.18.0.2/16 on the gateway bridge; table `ip tsswarm`:
 *                      mangle marks by protocol and port, and the balancer
 *   <task id>          eth0… in its overlays, the last ethN on the gateway bridge with the default route;
 *                      tables `ip tsswarm` (virtual addresses, way back) and `netdev tsswarm` (way back)
 */
export interface DesiredState {
  readonly underlay: Underlay;
  readonly gatewayBridge: GatewayBridge;
  readonly overlays: readonly Overlay[];
  readonly sandboxes: readonly Sandbox[];
  /** Undefined while the node has no ingress address: no port is published then. */
  readonly ingress: Ingress | undefined;
}

export interface Underlay {
  /** Data-path address: source of this node's VXLAN packets. Must be an address of this node. */
  readonly address: string;
  /** UDP port of VXLAN. */
  readonly vxlanPort: number;
}

export interface GatewayBridge {
  /** CIDR of the bridge's own address: 172.18.0.1/16. Sandboxes get theirs from the same subnet. */
  readonly address: string;
}

export interface Overlay {
  /** The network's id, 25 characters. */
  readonly id: string;
  readonly vni: number;
  /** CIDR of the gateway address on br0, one per subnet: 10.0.1.1/24. */
  readonly gateways: readonly string[];
  /** 0: the underlay's less the encapsulation (50 bytes). */
  readonly mtu: number;
  /** Endpoints on other nodes, each once. */
  readonly remotes: readonly RemoteEndpoint[];
}

export interface RemoteEndpoint {
  readonly address: string;
  readonly mac: string;
  /** Data-path address of the node that has it. */
  readonly vtep: string;
}

/** The network namespace of one task. */
export interface Sandbox {
  /** The task's id, 25 characters; the name of the namespace's file. */
  readonly id: string;
  /** eth0, eth1 … in this order. */
  readonly endpoints: readonly SandboxEndpoint[];
  /** Has an interface on the gateway bridge and the default route through it. */
  readonly gateway: boolean;
  /** Virtual addresses that this task reaches, balanced in its own namespace. */
  readonly virtualServices: readonly VirtualService[];
  /** Set when the task has an endpoint in the ingress overlay. */
  readonly ingress: SandboxIngress | undefined;
  /** Ports of this node that lead to this task alone (publish mode host). */
  readonly hostPorts: readonly HostPort[];
}

export interface SandboxEndpoint {
  readonly overlayId: string;
  /** Without a prefix length: that is the one of the overlay's gateway in the same subnet. */
  readonly address: string;
  readonly mac: string;
}

export interface SandboxIngress {
  /** CIDR of the ingress network: what comes from outside it came through some node's ingress_sbox. */
  readonly subnet: string;
  readonly overlayId: string;
}

/** All traffic to an address, whatever its port. */
export interface VirtualService {
  readonly address: string;
  readonly backends: readonly Backend[];
}

export interface Backend {
  readonly address: string;
  /** 0: keeps its connections, gets no new ones. */
  readonly weight: number;
}

export type TransportProtocol = 'tcp' | 'udp' | 'sctp';

export interface HostPort {
  readonly protocol: TransportProtocol;
  /** Empty: all local addresses. */
  readonly hostAddress: string;
  readonly published: number;
  readonly target: number;
}

export interface Ingress {
  readonly overlayId: string;
  /** CIDR of ingress_sbox in the ingress network: 10.0.0.2/24. */
  readonly address: string;
  readonly mac: string;
  readonly services: readonly PublishedPort[];
}

/** A port that every node answers on. (protocol, published) is unique. */
export interface PublishedPort {
  readonly protocol: TransportProtocol;
  readonly published: number;
  readonly target: number;
  /** Empty: all local addresses. */
  readonly hostAddress: string;
  readonly backends: readonly Backend[];
}

/** What NetworkPlane could not do of a desired state; the rest of it is in the kernel. */
export interface ApplyProblem {
  /** What it concerns: a sandbox, an overlay, or the node as a whole. */
  readonly subject: { readonly kind: 'sandbox' | 'overlay' | 'ingress' | 'node'; readonly id: string };
  /** In words, with the kernel's own: "network ingress: vxlan0: RTNETLINK: File exists (VNI 4096 …)". */
  readonly message: string;
}

export interface ApplyReport {
  /** Empty when the kernel shows all that was asked for. */
  readonly problems: readonly ApplyProblem[];
  /** Number of kernel changes made; 0 when nothing differed. */
  readonly operations: number;
}
