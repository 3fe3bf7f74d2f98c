import type { Scheduler } from '../lib/schedulers.js';
import type { Secret } from '../lib/secret.js';

/**
 * The whole network state that a node shall have. It is always given whole; NetworkPlane compares it
 * with what the kernel shows and makes the difference. Addresses are text (`10.0.1.5`, `fd00:1::5`), subnets
 * and interface addresses are CIDR text (`10.0.1.5/24`), MACs are `02:42:0a:00:01:05`.
 *
 * What it becomes in the kernel (names as `ip`, `bridge` and `nft` show them):
 *
 *   node's namespace   swarm_gwbridge 172.18.0.1/16 with one isolated port per sandbox; tsswarm0 172.17.0.1/16 and
 *                      br-<network, 12> with one port per endpoint; routed.<VNI> of a routed network with a /32, one
 *                      neighbour and FDB entry per other node, and one route (proto 115); table `ip tsswarm`; of
 *                      encrypted overlays, security associations and policies with each other node (reqid 0x74737377)
 *   1-<network, 10>    br0 with the gateway addresses, vxlan0 with FDB and neighbours, one veth per local endpoint
 *   ingress_sbox       eth0 in the ingress overlay, eth1 172.18.0.2/16 on the gateway bridge; tables `ip tsswarm` and
 *                      `ip6 tsswarm`: mangle marks by protocol and port, and the balancer
 *   <sandbox id>       eth0… in its networks, the last ethN on the gateway bridge with the default route;
 *                      tables `ip tsswarm` and `ip6 tsswarm` (virtual addresses, resolver, way back), `netdev tsswarm` (way back)
 *
 * and outside the kernel: one resolver for each sandbox that asks for one, on 127.0.0.11 in its namespace.
 */
export interface DesiredState {
  /** Undefined on a node in no swarm: it has no overlay, no ingress and no gateway bridge then. */
  readonly underlay: Underlay | undefined;
  readonly gatewayBridge: GatewayBridge | undefined;
  readonly overlays: readonly Overlay[];
  readonly bridges: readonly LocalBridge[];
  readonly routed: readonly RoutedNetwork[];
  readonly sandboxes: readonly Sandbox[];
  /** Undefined while the node has no ingress address: no port is published then. */
  readonly ingress: Ingress | undefined;
  /** Names for the sandboxes' resolvers. */
  readonly zones: readonly Zone[];
  /** Keys of encrypted overlays. Undefined: not known (yet); what the kernel has of them stays as it is. */
  readonly encryption?: Encryption | undefined;
}

/** The swarm's keys. Those that packets travel under are derived from them, one for each direction between two nodes. */
export interface Encryption {
  /** Tells whoever has made the state which keys these are; nothing to the data plane. */
  readonly version: number;
  /** Those that packets may come with. */
  readonly keys: readonly EncryptionKey[];
  /** The time of the one that packets are sent with. */
  readonly sending: number;
}

export interface EncryptionKey {
  /** Tells keys apart; of a Lamport clock. */
  readonly time: number;
  /** 32 bytes. */
  readonly secret: Secret;
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
  /** The same for IPv6, as fd00:7473::1/64; empty: sandboxes have no IPv6 way out. */
  readonly address6: string;
}

export interface Overlay {
  /** The network's id, 25 characters. */
  readonly id: string;
  readonly vni: number;
  /** CIDR of the gateway address on br0, one per subnet of either family: 10.0.1.1/24, fd00:1::1/64. */
  readonly gateways: readonly string[];
  /** 0: the underlay's less the encapsulation (50 bytes, encrypted 84 to 87). */
  readonly mtu: number;
  /** Endpoints on other nodes, each once. */
  readonly remotes: readonly RemoteEndpoint[];
  /** Its packets go between nodes as ESP, or not at all. */
  readonly encrypted?: boolean;
}

export interface RemoteEndpoint {
  readonly address: string;
  readonly mac: string;
  /** Data-path address of the node that has it. */
  readonly vtep: string;
  /** It is that node's ingress_sbox: what it sends has sources outside the network. */
  readonly sandbox?: boolean;
}

/** A network of which each node has a subnet, with routes to those of the others. IPv4 only. */
export interface RoutedNetwork {
  /** The network's id, 25 characters. */
  readonly id: string;
  readonly backend: 'vxlan' | 'host-gw';
  /** Of `vxlan`; 0 otherwise. */
  readonly vni: number;
  /** CIDR of the whole network: 10.1.0.0/16. What goes from it to it keeps its addresses. */
  readonly subnet: string;
  /** CIDR of the bridge's address in this node's subnet: 10.1.83.1/24. One, but after a change of leases. */
  readonly gateways: readonly string[];
  /** 0: the underlay's, less the encapsulation (50 bytes) if there is any. */
  readonly mtu: number;
  /** No way out of it and none in, published ports included. */
  readonly internal: boolean;
  /** Other nodes with a subnet, each once. */
  readonly peers: readonly RoutePeer[];
}

export interface RoutePeer {
  /** CIDR: 10.1.24.0/24. */
  readonly subnet: string;
  /** Data-path address of the node that has it. */
  readonly address: string;
  /** Of its VXLAN device; of no use to `host-gw`. */
  readonly mac: string;
}

/** A network of this node alone: a bridge in the node's namespace, which holds the gateway addresses. */
export interface LocalBridge {
  /** The network's id. */
  readonly id: string;
  /** Name of the link: tsswarm0, or br-<first 12 of the id>, or what its driver options say; at most 15 bytes. */
  readonly name: string;
  /** CIDRs of the gateway's addresses, one per subnet: 172.17.0.1/16. */
  readonly gateways: readonly string[];
  /** 0: the underlay's, or else 1500. */
  readonly mtu: number;
  /** No way out of it and none in, published ports included. */
  readonly internal: boolean;
  /** Whether its endpoints reach each other beyond published ports (Docker's enable_icc). */
  readonly interContainer: boolean;
  /** Whether what leaves it for elsewhere gets the node's address (Docker's enable_ip_masquerade). */
  readonly masquerade: boolean;
}

/** The network namespace of one task or container. */
export interface Sandbox {
  /** Name of the namespace's file: the task's id, or the first 12 digits of a container's. */
  readonly id: string;
  /** eth0, eth1 … in this order. An endpoint that is added or removed later leaves the others as they are. */
  readonly endpoints: readonly SandboxEndpoint[];
  /**
   * Has an interface on the gateway bridge and the default route through it. Without one, the default route
   * leads to the gateway of the first endpoint on a bridge (a routed network's included) that is not internal, if there is such; either family
   * by itself. The interface comes after the endpoints that the sandbox is made with (eth1 for one), and keeps its
   * name: who names the interfaces of endpoints that come later leaves it out, or it must give way and is made anew.
   */
  readonly gateway: boolean;
  /** Virtual addresses that this task reaches, balanced in its own namespace. */
  readonly virtualServices: readonly VirtualService[];
  /** Set when the task has an endpoint in the ingress overlay. */
  readonly ingress: SandboxIngress | undefined;
  /**
   * Ports of this node that lead to this sandbox alone (publish mode host, `run -p`). They lead to its address
   * on the gateway bridge, or else to that of the endpoint with the default route; nowhere without one. One that a
   * process, another sandbox or the swarm has already is a problem of the sandbox.
   */
  readonly hostPorts: readonly HostPort[];
  /** Undefined: names are not resolved for it (it has the node's own resolv.conf). */
  readonly resolver: SandboxResolver | undefined;
}

export interface SandboxEndpoint {
  /** Of an overlay, a routed network or a local bridge. */
  readonly networkId: string;
  /** One or more, without a prefix length: that is the one of the network's gateway in the same subnet. */
  readonly addresses: readonly string[];
  readonly mac: string;
  /** `eth<n>` in the sandbox, when it is not to follow from its place in the list: kept while others come and go. */
  readonly interface?: string;
}

/** The resolver on 127.0.0.11:53 in a sandbox. */
export interface SandboxResolver {
  /** Ids of the zones that it answers from, in the order of its endpoints: the first that knows a name answers. */
  readonly zones: readonly string[];
  /**
   * Servers for all other names. Those of `--dns` are asked from inside the sandbox, as they may be in its
   * networks; when the list is empty the node's own are asked from the node.
   */
  readonly nameservers: readonly string[];
  /** False on internal networks only: names of elsewhere are refused, not asked for. */
  readonly forward: boolean;
}

/** The names of one network. */
export interface Zone {
  /** The network's id. */
  readonly id: string;
  /** Names are also found as `<name>.<network's name>`, and reverse answers have that form. */
  readonly networkName: string;
  readonly names: readonly ZoneName[];
  /** For `_<port>._<protocol>.<service>` (SRV). */
  readonly ports: readonly ZonePort[];
}

export interface ZoneName {
  /** In lower case: `web`, `tasks.web`, `web.1.<task id>`, an alias, a container's name or short id. Unique in its zone. */
  readonly name: string;
  /** IPv4 and IPv6; at least one. Given in turn. */
  readonly addresses: readonly string[];
  /** Answers PTR questions for these addresses; one name at most has it for an address. */
  readonly canonical: boolean;
}

export interface ZonePort {
  /** The name of the port as published (`name=http`). */
  readonly port: string;
  readonly protocol: TransportProtocol;
  /** Name of the service in the same zone. */
  readonly service: string;
  readonly target: number;
}

export interface SandboxIngress {
  /**
   * CIDRs of the ingress network: what comes from outside them came through some node's ingress_sbox. One of IPv4 at
   * least: by its IPv4 address, which its MAC shows, a task knows an ingress_sbox again.
   */
  readonly subnets: readonly string[];
  readonly overlayId: string;
  /** Those of its service: the mesh brings connections under the published port, which becomes the target here. */
  readonly ports: readonly IngressPort[];
}

/** (protocol, published) is unique. */
export interface IngressPort {
  readonly protocol: TransportProtocol;
  readonly published: number;
  readonly target: number;
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
  /** Empty: all local addresses; 0.0.0.0 and `::`: all of one family. */
  readonly hostAddress: string;
  readonly published: number;
  readonly target: number;
}

export interface Ingress {
  readonly overlayId: string;
  /** CIDRs of ingress_sbox in the ingress network: 10.0.0.2/24, and fd00:6::2/64 where published ports answer over IPv6. */
  readonly addresses: readonly string[];
  /** Told from the IPv4 address: 02:42:0a:00:00:02. */
  readonly mac: string;
  readonly services: readonly PublishedPort[];
}

/** A port that every node answers on. Unique by protocol and number on each address. */
export interface PublishedPort {
  readonly protocol: TransportProtocol;
  readonly published: number;
  readonly target: number;
  /** Empty: all local addresses; 0.0.0.0 and `::`: all of one family. A node answers only on those that it has. */
  readonly hostAddress: string;
  /** Of either family: a connection goes to one of its own. */
  readonly backends: readonly Backend[];
  /** Undefined: `rr`. */
  readonly scheduler?: Scheduler;
  /** Seconds for which a client address keeps its task after its last new connection; none or 0: not at all. */
  readonly affinity?: number;
}

/** What NetworkPlane could not do of a desired state; the rest of it is in the kernel. */
export interface ApplyProblem {
  /**
   * What it concerns: a sandbox, a network (a routed one is a `bridge`), all encrypted overlays, one of their keys (by
   * its time; all goes on, but another one is needed soon), or the node as a whole. What keeps a sandbox from being made as it was asked for is a problem of its own, too: one of a bridge
   * alone (a firewall, a route that came later) stops nobody.
   */
  readonly subject: {
    readonly kind: 'sandbox' | 'overlay' | 'bridge' | 'ingress' | 'encryption' | 'key' | 'node';
    readonly id: string;
  };
  /** In words, with the kernel's own: "network ingress: vxlan0: RTNETLINK: File exists (VNI 4096 …)". */
  readonly message: string;
  /** The published port that this node does not answer on as asked, or not without another's loss. */
  readonly port?: {
    readonly protocol: TransportProtocol;
    readonly published: number;
    /** Empty: all; 0.0.0.0 and :: are all of one family. */
    readonly hostAddress: string;
  };
}

export interface ApplyReport {
  /** Empty when the kernel shows all that was asked for. */
  readonly problems: readonly ApplyProblem[];
  /** Number of kernel changes made; 0 when nothing differed. */
  readonly operations: number;
  /** These changes in words, by the namespace in which they were made; `node` is the node's own. Made when it is called. */
  details(): Readonly<Record<string, readonly string[]>>;
}

/** One thing in the kernel that somebody had changed, and that was put back. */
export interface Repair {
  readonly subject: ApplyProblem['subject'];
  /** What was wrong: "the neighbour 10.0.1.7 (02:42:0a:00:01:07) of vxlan0 was missing (in 1-abcdefghij)". */
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}
