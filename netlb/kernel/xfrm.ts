/** IPsec through xfrm (linux/xfrm.h): security associations and policies of ESP in transport mode with AES-GCM, IPv4. */
import { Attributes, addressBytes, addressText, attribute, u32 } from './attributes.js';
import { familyNumber } from './families.js';
import { type NetlinkMessage, type NetlinkRequest, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, request } from './messages.js';

const XFRM_MSG_NEWSA = 16;
const XFRM_MSG_DELSA = 17;
const XFRM_MSG_GETSA = 18;
const XFRM_MSG_DELPOLICY = 20;
const XFRM_MSG_GETPOLICY = 21;
const XFRM_MSG_UPDPOLICY = 25;
const XFRMA_TMPL = 5;
const XFRMA_REPLAY_VAL = 10;
const XFRMA_SRCADDR = 13;
const XFRMA_ALG_AEAD = 18;
const XFRMA_MARK = 21;
const IPPROTO_UDP = 17;
const IPPROTO_ESP = 50;
const XFRM_MODE_TRANSPORT = 0;
const XFRM_POLICY_OUT = 1;

/** struct xfrm_selector is first in what describes an association or a policy: 56 bytes. */
const SELECTOR = 56;
/** Offsets in struct xfrm_usersa_info, 224 bytes: selector, id, source, lifetimes, statistics, the rest. */
const USERSA_INFO = 224;
const ID = SELECTOR;
const SOURCE = ID + 24;
const LIMITS = SOURCE + 16;
const REQID = LIMITS + 64 + 32 + 12 + 4;
/** Of struct xfrm_usersa_id: destination, SPI, family, protocol. */
const USERSA_ID = 24;
/** Offsets in struct xfrm_userpolicy_info, 168 bytes: selector, lifetimes, the rest. */
const USERPOLICY_INFO = 168;
const POLICY_LIMITS = SELECTOR;
const PRIORITY = POLICY_LIMITS + 64 + 32;
const DIRECTION = PRIORITY + 8;
/** Of struct xfrm_userpolicy_id: selector, index, direction. */
const USERPOLICY_ID = 64;
/** Of struct xfrm_user_tmpl: id, family, source, request id, mode, …, permitted algorithms. */
const TEMPLATE = 64;

const ALGORITHM = 'rfc4106(gcm(aes))';
const ALGORITHM_NAME = 64;
const UNLIMITED = 0xffffffffffffffffn;
const ALL = 0xffffffff;

export interface AssociationId {
  readonly source: string;
  readonly destination: string;
  readonly spi: number;
}

/** As `ip xfrm` shows it. */
export const spiName = (spi: number): string => `0x${spi.toString(16).padStart(8, '0')}`;

/** "esp 192.0.2.1 → 192.0.2.2 (SPI 0x0a4f0e11)" */
export const associationName = ({ source, destination, spi }: AssociationId): string =>
  `esp ${source} → ${destination} (SPI ${spiName(spi)})`;

/** A security association, without its key. */
export interface SecurityAssociation extends AssociationId {
  readonly reqid: number;
  /** Integrity check value: 64, 96 or 128 bits. */
  readonly icvBits: number;
}

/** One as the kernel shows it. */
export interface ActualAssociation extends SecurityAssociation {
  /** The number of the last packet sent with it: they are counted from 1 (RFC 4303, 3.3.3). */
  readonly sent: number;
  /** ESP in transport mode with AES-GCM: what this module makes. */
  readonly ordinary: boolean;
}

/** What goes from one address to another's UDP port under a mark is sent with the association of this SPI, or not. */
export interface SecurityPolicy extends AssociationId {
  readonly port: number;
  /** Compared with all 32 bits of the packet's. */
  readonly mark: number;
  readonly reqid: number;
}

function writeUnlimited(info: Buffer, at: number): void {
  for (let limit = 0; limit < 4; limit++) info.writeBigUInt64LE(UNLIMITED, at + 8 * limit);
}

/** @param key AES-GCM key (16, 24 or 32 bytes) and 4 bytes of salt (RFC 4106) */
export function newSecurityAssociation(association: SecurityAssociation, key: Uint8Array): NetlinkRequest {
  const info = Buffer.alloc(USERSA_INFO);
  addressBytes(association.destination).copy(info, ID);
  info.writeUInt32BE(association.spi, ID + 16);
  info[ID + 20] = IPPROTO_ESP;
  addressBytes(association.source).copy(info, SOURCE);
  writeUnlimited(info, LIMITS);
  info.writeUInt32LE(association.reqid, REQID);
  info.writeUInt16LE(familyNumber(4), REQID + 4);
  info[REQID + 6] = XFRM_MODE_TRANSPORT;
  const name = Buffer.alloc(ALGORITHM_NAME);
  name.write(ALGORITHM);
  const algorithm = attribute(XFRMA_ALG_AEAD, name, u32(key.length * 8), u32(association.icvBits), Buffer.from(key));
  return request(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, info, algorithm);
}

export function deleteSecurityAssociation({ source, destination, spi }: AssociationId): NetlinkRequest {
  const id = Buffer.alloc(USERSA_ID);
  addressBytes(destination).copy(id, 0);
  id.writeUInt32BE(spi, 16);
  id.writeUInt16LE(familyNumber(4), 20);
  id[22] = IPPROTO_ESP;
  const from = Buffer.alloc(16);
  addressBytes(source).copy(from);
  return request(XFRM_MSG_DELSA, 0, id, attribute(XFRMA_SRCADDR, from));
}

function writeSelector(info: Buffer, { source, destination, port }: SecurityPolicy): void {
  addressBytes(destination).copy(info, 0);
  addressBytes(source).copy(info, 16);
  info.writeUInt16BE(port, 32);
  info.writeUInt16BE(0xffff, 34);
  info.writeUInt16LE(familyNumber(4), 40);
  info[42] = 32;
  info[43] = 32;
  info[44] = IPPROTO_UDP;
}

const markOf = ({ mark }: SecurityPolicy): Buffer => attribute(XFRMA_MARK, u32(mark), u32(ALL));

/** Makes a policy for outgoing packets, or lets the one of the same addresses, port and mark ask for another SPI. */
export function setSecurityPolicy(policy: SecurityPolicy): NetlinkRequest {
  const info = Buffer.alloc(USERPOLICY_INFO);
  writeSelector(info, policy);
  writeUnlimited(info, POLICY_LIMITS);
  info[DIRECTION] = XFRM_POLICY_OUT;
  const template = Buffer.alloc(TEMPLATE);
  addressBytes(policy.destination).copy(template, 0);
  template.writeUInt32BE(policy.spi, 16);
  template[20] = IPPROTO_ESP;
  template.writeUInt16LE(familyNumber(4), 24);
  addressBytes(policy.source).copy(template, 28);
  template.writeUInt32LE(policy.reqid, 44);
  template[48] = XFRM_MODE_TRANSPORT;
  for (let algorithms = 52; algorithms < TEMPLATE; algorithms += 4) template.writeUInt32LE(ALL, algorithms);
  return request(XFRM_MSG_UPDPOLICY, 0, info, attribute(XFRMA_TMPL, template), markOf(policy));
}

export function deleteSecurityPolicy(policy: SecurityPolicy): NetlinkRequest {
  const id = Buffer.alloc(USERPOLICY_ID);
  writeSelector(id, policy);
  id[SELECTOR + 4] = XFRM_POLICY_OUT;
  return request(XFRM_MSG_DELPOLICY, 0, id, markOf(policy));
}

export const dumpSecurityAssociations = request(XFRM_MSG_GETSA, NLM_F_DUMP);
export const dumpSecurityPolicies = request(XFRM_MSG_GETPOLICY, NLM_F_DUMP);

/** @returns undefined for what is not IPv4. Keys are not read. */
export function parseSecurityAssociation({ payload }: NetlinkMessage): ActualAssociation | undefined {
  if (payload.readUInt16LE(REQID + 4) !== familyNumber(4)) return undefined;
  const attributes = new Attributes(payload.subarray(USERSA_INFO));
  const algorithm = attributes.bytes(XFRMA_ALG_AEAD);
  const isAesGcm = attributes.text(XFRMA_ALG_AEAD) === ALGORITHM;
  return {
    source: addressText(payload.subarray(SOURCE, SOURCE + 4)),
    destination: addressText(payload.subarray(ID, ID + 4)),
    spi: payload.readUInt32BE(ID + 16),
    reqid: payload.readUInt32LE(REQID),
    icvBits: algorithm && isAesGcm ? algorithm.readUInt32LE(ALGORITHM_NAME + 4) : 0,
    sent: attributes.u32(XFRMA_REPLAY_VAL) ?? 0,
    ordinary: payload[ID + 20] === IPPROTO_ESP && payload[REQID + 6] === XFRM_MODE_TRANSPORT && isAesGcm,
  };
}

/** @returns undefined for what is not of the form that `setSecurityPolicy` makes */
export function parseSecurityPolicy({ payload }: NetlinkMessage): SecurityPolicy | undefined {
  const attributes = new Attributes(payload.subarray(USERPOLICY_INFO));
  const template = attributes.bytes(XFRMA_TMPL);
  const mark = attributes.bytes(XFRMA_MARK);
  const isOurForm =
    payload[DIRECTION] === XFRM_POLICY_OUT &&
    payload.readUInt16LE(40) === familyNumber(4) &&
    payload[42] === 32 &&
    payload[43] === 32 &&
    payload[44] === IPPROTO_UDP &&
    template?.length === TEMPLATE &&
    template[20] === IPPROTO_ESP &&
    mark?.readUInt32LE(4) === ALL;
  if (!isOurForm) return undefined;
  return {
    source: addressText(payload.subarray(16, 20)),
    destination: addressText(payload.subarray(0, 4)),
    port: payload.readUInt16BE(32),
    mark: mark.readUInt32LE(0),
    spi: template.readUInt32BE(16),
    reqid: template.readUInt32LE(44),
  };
}
