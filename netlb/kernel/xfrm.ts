/** IPsec security associations (linux/xfrm.h): as much as tells whether the kernel has ESP. */
import { addressBytes, attribute, u32 } from './attributes.js';
import { familyNumber } from './families.js';
import { type NetlinkRequest, NLM_F_CREATE, NLM_F_EXCL, request } from './messages.js';

const XFRM_MSG_NEWSA = 16;
const XFRMA_ALG_AEAD = 18;
const IPPROTO_ESP = 50;
const XFRM_MODE_TRANSPORT = 0;

/** Offsets in struct xfrm_usersa_info, 224 bytes: selector, id, source, lifetimes, statistics, the rest. */
const USERSA_INFO = 224;
const ID = 56;
const SOURCE = ID + 24;
const LIMITS = SOURCE + 16;
const REQID = LIMITS + 64 + 32 + 12 + 4;

const ALGORITHM_NAME = 64;
const UNLIMITED = 0xffffffffffffffffn;

export interface SecurityAssociation {
  readonly source: string;
  readonly destination: string;
  readonly spi: number;
  readonly reqid: number;
  /** AES-GCM key (16, 24 or 32 bytes) and 4 bytes of salt (RFC 4106). */
  readonly key: Buffer;
  /** Integrity check value: 64, 96 or 128 bits. */
  readonly icvBits: number;
}

/** An ESP association in transport mode with AES-GCM, IPv4. */
export function newSecurityAssociation(association: SecurityAssociation): NetlinkRequest {
  const info = Buffer.alloc(USERSA_INFO);
  addressBytes(association.destination).copy(info, ID);
  info.writeUInt32BE(association.spi, ID + 16);
  info[ID + 20] = IPPROTO_ESP;
  addressBytes(association.source).copy(info, SOURCE);
  for (let limit = 0; limit < 4; limit++) info.writeBigUInt64LE(UNLIMITED, LIMITS + 8 * limit);
  info.writeUInt32LE(association.reqid, REQID);
  info.writeUInt16LE(familyNumber(4), REQID + 4);
  info[REQID + 6] = XFRM_MODE_TRANSPORT;
  const name = Buffer.alloc(ALGORITHM_NAME);
  name.write('rfc4106(gcm(aes))');
  const { key, icvBits } = association;
  const algorithm = attribute(XFRMA_ALG_AEAD, name, u32(key.length * 8), u32(icvBits), key);
  return request(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, info, algorithm);
}
