/**
 * Encrypted overlays: what goes between nodes leaves as ESP in transport mode (RFC 4303, AES-GCM by RFC 4106), or not
 * at all. In the node's namespace rules mark the VXLAN packets of such a network, and a policy by that mark sends them
 * with a security association; other rules drop what would leave, or has come, in clear all the same. An overlay is
 * only made where the kernel shows its rules.
 */
import { failedPrecondition } from '../../lib/errors.js';
import { spisOf } from '../../lib/overlay-keys.js';
import type { Secret } from '../../lib/secret.js';
import { type ActualAssociation, type AssociationId, associationName, type SecurityPolicy } from '../kernel/xfrm.js';
import { type ActualTable, type Chain, priorities, ruleDigest } from '../nft/table.js';
import type { DesiredState, Overlay, Underlay } from '../state.js';
import { isPort, isVni } from './check.js';
import { vtepsOf } from './endpoints.js';
import { type Facts, overlayMtu } from './facts.js';

/** Of packets that are to be encrypted; also the request id of our associations and policies: by it they are known. */
export const ENCRYPTION_MARK = 0x74737377;

/**
 * 128 bits: a forger's chance is 2^-64 with the 64 that Docker has, and NIST SP 800-38D advises against them where
 * many packets are checked. The other 8 bytes are half a percent of a packet.
 */
export const ICV_BITS = 128;

/** What of the machine matters to encrypted overlays. */
export interface EncryptionFacts {
  /** Why this kernel cannot do it; undefined when it can. */
  readonly missing: string | undefined;
  /** VNIs whose rules the kernel shows. */
  readonly guarded: ReadonlySet<number>;
  /** Associations of ours that have not many packets left. */
  readonly worn: readonly AssociationId[];
}

/** As many as there are numbers for them: none may come twice under one key. */
const PACKETS = 2 ** 32;
const MANY = 0.75 * PACKETS;

export const wornAssociations = (associations: readonly ActualAssociation[]): AssociationId[] =>
  associations.filter(({ reqid, sent }) => reqid === ENCRYPTION_MARK && sent > MANY);

/** Those that stay. */
export const lastingWorn = ({ associations }: EncryptionBlueprint, { worn }: EncryptionFacts): AssociationId[] => {
  const wanted = new Set(associations.map(associationName));
  return worn.filter((id) => wanted.has(associationName(id)));
};

/** Without the number itself: it is another one each time. */
export const wornWords = (id: AssociationId): string =>
  `${associationName(id)} has sent more than three quarters of the ${PACKETS} packets that a key is good for: ` +
  `managers are asked for another key; without one this node drops, after the last packet, what goes to ` +
  `${id.destination} in encrypted networks`;

export interface AssociationBlueprint extends AssociationId {
  /** The swarm's key that this one's is derived from. */
  readonly groupKey: Secret;
}

export interface EncryptionBlueprint {
  readonly associations: readonly AssociationBlueprint[];
  readonly policies: readonly SecurityPolicy[];
}

/** The rules of one encrypted network, by chain. */
const rulesOf = (vni: number, port: number) => {
  // The VNI is in bytes 4 to 6 of what follows the UDP header (RFC 7348).
  const packet = `udp dport ${port} @th,96,24 ${vni}`;
  return {
    esp_mark: `${packet} meta mark set ${ENCRYPTION_MARK}`,
    esp_out: `${packet} rt ipsec missing drop`,
    esp_in: `${packet} meta ipsec missing drop`,
  };
};

const bases: readonly { readonly name: keyof ReturnType<typeof rulesOf>; readonly base: NonNullable<Chain['base']> }[] =
  [
    // The type `route`: who marks a packet has its way looked up again, and with it the policy.
    { name: 'esp_mark', base: { type: 'route', hook: 'output', priority: priorities.mangle, policy: 'accept' } },
    { name: 'esp_out', base: { type: 'filter', hook: 'postrouting', priority: priorities.mangle, policy: 'accept' } },
    { name: 'esp_in', base: { type: 'filter', hook: 'input', priority: priorities.mangle, policy: 'accept' } },
  ];

/** @param vnis of encrypted overlays; none: there are no such chains */
export function encryptionChains(vnis: readonly number[], port: number): Chain[] {
  // A port that is none is a problem of the overlays.
  if (vnis.length === 0 || !isPort(port)) return [];
  // Most packets are none of VXLAN's.
  const others = ['meta l4proto != 17 return', `udp dport != ${port} return`];
  return bases.map(({ name, base }) => ({
    name,
    base,
    rules: [...others, ...vnis.map((vni) => rulesOf(vni, port)[name])],
  }));
}

/** VNIs of encrypted overlays whose packets cannot pass in clear, as the node's table is. */
export function guardedVnis({ overlays, underlay }: DesiredState, table: ActualTable | undefined): Set<number> {
  if (!underlay) return new Set();
  const shows = (vni: number) => {
    const rules = rulesOf(vni, underlay.vxlanPort);
    return bases.every(({ name, base }) => {
      const chain = table?.chains.get(name);
      return chain?.base?.hook === base.hook && chain.rules.includes(ruleDigest(rules[name]));
    });
  };
  return new Set(encryptedVnis(overlays).filter(shows));
}

/** VNIs that are none are problems of their overlays: a rule of them would take the whole table with it. */
export const encryptedVnis = (overlays: readonly Overlay[]): number[] =>
  [...new Set(overlays.filter(({ encrypted, vni }) => encrypted && isVni(vni)).map(({ vni }) => vni))].sort(
    (a, b) => a - b,
  );

/**
 * VNIs whose packets shall not pass in clear. Where encryption cannot be had (any more, or for this moment) their
 * overlays stay as they are, and so do the rules that the kernel shows: it would not take others.
 */
export const sealedVnis = (overlays: readonly Overlay[], { missing, guarded }: EncryptionFacts): number[] =>
  encryptedVnis(overlays).filter((vni) => missing === undefined || guarded.has(vni));

/** @throws FAILED_PRECONDITION where the overlay cannot be had, or not yet: it is never made in clear instead */
export function checkEncryption({ encrypted, vni }: Overlay, { missing, guarded }: EncryptionFacts): void {
  if (!encrypted) return;
  if (missing !== undefined)
    throw failedPrecondition(`the network is encrypted, and this kernel has no ESP: ${missing}`, {
      value: 'esp',
      hint: 'See: tsswarm doctor',
    });
  if (!guarded.has(vni))
    throw failedPrecondition(`the rules that keep packets of VNI ${vni} from leaving in clear are not there`);
}

/**
 * Associations with every other node that has an endpoint in an encrypted overlay of this one: one for each key that
 * it may send with, and one to send with.
 * @returns undefined while keys are not known, or the kernel cannot do it: what it has stays
 */
export function encryptionBlueprint(desired: DesiredState, facts: Facts): EncryptionBlueprint | undefined {
  const { underlay, overlays, encryption } = desired;
  const encrypted = overlays.filter((overlay) => overlay.encrypted);
  if (!underlay || encrypted.length === 0) return { associations: [], policies: [] };
  if (facts.encryption.missing !== undefined || !encryption) return undefined;
  const peers = peersOf(encrypted, underlay);
  const self = underlay.address;
  const keys = encryption.keys.map(({ time, secret }) => ({ time, secret, spi: spisOf(secret.reveal()) }));
  const sending = keys.find(({ time }) => time === encryption.sending);
  const incoming = keys.flatMap(({ secret, spi }) =>
    peers.map((peer) => ({ source: peer, destination: self, spi: spi(peer), groupKey: secret })),
  );
  if (!sending) return { associations: incoming, policies: [] };
  const outgoing = peers.map((peer) => ({ source: self, destination: peer, spi: sending.spi(self) }));
  return {
    associations: [...incoming, ...outgoing.map((id) => ({ ...id, groupKey: sending.secret }))],
    policies: outgoing.map((id) => ({
      ...id,
      port: underlay.vxlanPort,
      mark: ENCRYPTION_MARK,
      reqid: ENCRYPTION_MARK,
    })),
  };
}

/** Addresses that are none, or not of IPv4, are problems of their overlays. */
function peersOf(encrypted: readonly Overlay[], { address }: Underlay): string[] {
  const vteps = new Set(encrypted.flatMap(vtepsOf));
  return [...vteps].filter((vtep) => vtep !== address).sort();
}

/** MTU of an overlay: what is asked for, or what one packet of the underlay holds. */
export function mtuOfOverlay({ mtu, encrypted }: Overlay, { underlayMtu }: Facts): number {
  if (mtu !== 0 || !encrypted) return overlayMtu(mtu, underlayMtu);
  return encryptedMtu(underlayMtu ?? 1500);
}

/**
 * IPv4 header 20, ESP header 8, IV 8, integrity check value 16; what is encrypted is a multiple of 4 bytes: UDP 8,
 * VXLAN 8, Ethernet 14, the packet, up to 3 of padding, and 2 of ESP's trailer. 1500 leaves 1416.
 */
export function encryptedMtu(underlayMtu: number): number {
  const encrypted = (underlayMtu - OUTSIDE_ESP) & ~3;
  return encrypted - INSIDE_ESP;
}

/** What a packet of an encrypted overlay is in the underlay. */
export const encryptedSize = (packet: number): number => OUTSIDE_ESP + ((packet + INSIDE_ESP + 3) & ~3);

const OUTSIDE_ESP = 20 + 8 + 8 + ICV_BITS / 8;
const INSIDE_ESP = 8 + 8 + 14 + 2;
