/**
 * What is asked of one node's kernel, and what it answers. Both travel between nodes as JSON: a change here
 * must keep what older nodes say understandable. Namespaces are named by their files; '' is the node's own.
 */
import type { InterfaceAddress } from '../kernel/addresses.js';
import type { Link } from '../kernel/links.js';
import type { Listener } from '../kernel/listeners.js';
import type { FdbEntry, Neighbour } from '../kernel/neighbours.js';
import type { Rule } from '../kernel/rules.js';
import type { HookOutcome } from './evaluate.js';
import type { IpvsAnswer } from './ipvs.js';
import type { HookPacket } from './packet.js';
import type { Hook } from './ruleset.js';

/** Answers by kind of question. */
export interface Answers {
  /** Files under the run root's netns directory. */
  readonly namespaces: readonly string[];
  readonly links: readonly Link[];
  /** Interfaces that have an address, in all namespaces of the node. */
  readonly holders: readonly Holder[];
  /** The other end of a veth. */
  readonly peer: Peer | null;
  readonly addresses: readonly InterfaceAddress[];
  readonly route: RouteAnswer;
  readonly rules: readonly Rule[];
  /** Entries for one address; on all links. */
  readonly neighbours: readonly Neighbour[];
  /** Entries for one MAC; on all links. */
  readonly fdb: readonly FdbEntry[];
  /** By key; null: the kernel does not have it. */
  readonly sysctls: Readonly<Record<string, string | null>>;
  readonly hook: HookOutcome;
  readonly listeners: readonly Listener[];
  /** The way back of ingress connections (netdev tables). */
  readonly wayBack: WayBackAnswer | null;
  readonly resolve: ResolveAnswer;
  readonly capture: CaptureAnswer;
  readonly send: SendAnswer;
  readonly sightings: readonly Sighting[];
  readonly security: SecurityAnswer;
  /** The service of a mark; null: there is none. */
  readonly ipvs: IpvsAnswer | null;
}

export type Kind = keyof Answers;

interface In {
  readonly namespace: string;
}

/** A question of each kind. */
export type Query =
  | { readonly kind: 'namespaces' }
  | ({ readonly kind: 'links' } & In)
  | ({ readonly kind: 'addresses' } & In)
  | ({ readonly kind: 'rules' } & In)
  | ({ readonly kind: 'listeners' } & In)
  | ({ readonly kind: 'wayBack' } & In)
  | { readonly kind: 'holders'; readonly address: string }
  | ({ readonly kind: 'peer'; readonly index: number } & In)
  | ({ readonly kind: 'route' } & RouteQuestion & In)
  | ({ readonly kind: 'neighbours'; readonly address: string } & In)
  | ({ readonly kind: 'fdb'; readonly mac: string } & In)
  | ({ readonly kind: 'sysctls'; readonly keys: readonly string[] } & In)
  | ({ readonly kind: 'hook' } & HookQuestion & In)
  | ({ readonly kind: 'resolve'; readonly name: string } & In)
  | { readonly kind: 'security'; readonly source: string; readonly destination: string; readonly port: number }
  | ({ readonly kind: 'ipvs'; readonly family: 4 | 6; readonly mark: number } & In)
  | { readonly kind: 'capture'; readonly id: string; readonly taps: readonly Tap[]; readonly tokens: readonly number[] }
  | ({ readonly kind: 'send'; readonly packet: ProbePacket } & In)
  | { readonly kind: 'sightings'; readonly id: string; readonly waitMs: number };

export type QueryOf<K extends Kind> = Extract<Query, { readonly kind: K }>;

/** An answer, or why there is none: the kernel's words. */
export type Fact<K extends Kind = Kind> = { readonly answer: Answers[K] } | { readonly error: string };

export interface Holder {
  readonly namespace: string;
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  readonly up: boolean;
}

export interface Peer {
  /** Undefined: in a namespace that is none of ours. */
  readonly namespace: string | undefined;
  readonly index: number;
  /** Undefined when it cannot be looked at. */
  readonly link: Link | undefined;
}

/** The route that a packet would take (`ip route get`). */
export interface RouteQuestion {
  readonly destination: string;
  /** Empty: not chosen yet. */
  readonly source: string;
  readonly mark: number;
  /** Interface that it came in by; empty: it is sent from here. */
  readonly input: string;
}

export type RouteAnswer =
  | {
      readonly found: true;
      /** `local`: to a socket of the namespace. */
      readonly type: 'unicast' | 'local' | 'broadcast' | 'other';
      readonly table: number;
      /** Of the interface that it leaves by. */
      readonly index: number;
      readonly via: string | undefined;
      readonly source: string | undefined;
      /** Path MTU; undefined: the interface's. */
      readonly mtu: number | undefined;
    }
  /** `code` as ENETUNREACH; EXDEV: the source is refused (rp_filter). */
  | { readonly found: false; readonly code: string; readonly words: string };

export interface HookQuestion {
  readonly hook: Hook;
  /** Bridged packets go through other tables. */
  readonly layer: 'ip' | 'bridge';
  readonly packet: HookPacket;
  /** Address to take where a rule has a choice; empty: the first. */
  readonly prefer: string;
}

/** What there is of encrypted overlays for packets from one node to another. */
export interface SecurityAnswer {
  /** SPI that they are sent under; null: there is no policy. */
  readonly policy: number | null;
  /** SPIs of associations. */
  readonly associations: readonly number[];
}

export interface WayBackAnswer {
  /** The interface in the ingress network; empty: there is no such chain. */
  readonly device: string;
  /** Whether incoming frames' senders are learned, and written into answers. */
  readonly learns: boolean;
  readonly restores: boolean;
  /** Mark → MAC of an ingress_sbox. */
  readonly known: Readonly<Record<string, string>>;
}

export interface ResolveAnswer {
  /** As in the resolv.conf of the container. */
  readonly servers: readonly string[];
  /** The one that answered; empty when none did. */
  readonly server: string;
  /** The full name that was answered. */
  readonly name: string;
  readonly addresses: readonly string[];
  /** NOERROR, NXDOMAIN …; empty when nobody answered. */
  readonly code: string;
}

/** Where to look for the packets of a probe. */
export interface Tap {
  readonly namespace: string;
  readonly link: string;
}

export interface CaptureAnswer {
  /** Taps that cannot be made, with the reason. */
  readonly failed: readonly { readonly tap: Tap; readonly error: string }[];
}

export interface ProbePacket {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** What it is known again by: the sequence number of a TCP segment, the first four bytes of other payloads. */
  readonly token: number;
}

export interface SendAnswer {
  readonly bytes: number;
}

/** A packet of a probe, or an answer to it, at a tap. */
export interface Sighting {
  readonly tap: Tap;
  readonly token: number;
  /** What answers the packet; undefined: it is the packet itself. */
  readonly answer?: 'syn-ack' | 'reset' | 'echo-reply';
  readonly source: string;
  readonly destination: string;
  /** Inside of VXLAN: its identifier. */
  readonly vni?: number;
}
