/** Packets of a probe: made (RFC 791, 792, 768, 9293) and known again in frames, also inside of VXLAN (RFC 7348). Pure. */
import { addressBytes, addressText } from '../../kernel/attributes.js';
import type { ProbePacket, Sighting } from '../queries.js';

const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17 } as const;
const SYN = 0x02;
const RST = 0x04;
const ACK = 0x10;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERNET = 14;
const UDP_HEADER = 8;
const VXLAN_HEADER = 8;
/** The flag that says that there is an identifier. */
const VXLAN_FLAGS = 0x08;
const TTL = 64;
const NOTE = 'tsswarm network trace';

/** The Internet checksum (RFC 1071). */
export function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  for (const bytes of parts) {
    for (let i = 0; i < bytes.length; i += 2)
      sum += i + 1 < bytes.length ? bytes.readUInt16BE(i) : bytes.readUInt8(i) << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A whole IPv4 packet; the kernel fills in the header's checksum. */
export function probePacket(probe: ProbePacket): Buffer {
  const body = { tcp: segment, udp: datagram, icmp: echo }[probe.protocol](probe);
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(header.length + body.length, 2);
  header.writeUInt16BE(probe.token & 0xffff, 4);
  header[8] = TTL;
  header[9] = PROTOCOLS[probe.protocol];
  addressBytes(probe.source).copy(header, 12);
  addressBytes(probe.destination).copy(header, 16);
  return Buffer.concat([header, body]);
}

function pseudoHeader({ source, destination, protocol }: ProbePacket, length: number): Buffer {
  const tail = Buffer.alloc(4);
  tail[1] = PROTOCOLS[protocol];
  tail.writeUInt16BE(length, 2);
  return Buffer.concat([addressBytes(source), addressBytes(destination), tail]);
}

/** A SYN whose sequence number is the token. */
function segment(probe: ProbePacket): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt16BE(probe.sourcePort, 0);
  bytes.writeUInt16BE(probe.destinationPort, 2);
  bytes.writeUInt32BE(probe.token >>> 0, 4);
  bytes[12] = 0x50;
  bytes[13] = SYN;
  bytes.writeUInt16BE(0xffff, 14);
  bytes.writeUInt16BE(checksum(pseudoHeader(probe, bytes.length), bytes), 16);
  return bytes;
}

function payload(token: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(token >>> 0);
  return Buffer.concat([bytes, Buffer.from(NOTE)]);
}

function datagram(probe: ProbePacket): Buffer {
  const data = payload(probe.token);
  const header = Buffer.alloc(UDP_HEADER);
  header.writeUInt16BE(probe.sourcePort, 0);
  header.writeUInt16BE(probe.destinationPort, 2);
  header.writeUInt16BE(header.length + data.length, 4);
  header.writeUInt16BE(checksum(pseudoHeader(probe, header.length + data.length), header, data) || 0xffff, 6);
  return Buffer.concat([header, data]);
}

function echo({ token, sourcePort }: ProbePacket): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(8), payload(token)]);
  bytes[0] = ECHO_REQUEST;
  bytes.writeUInt16BE(sourcePort, 4);
  bytes.writeUInt16BE(1, 6);
  bytes.writeUInt16BE(checksum(bytes), 2);
  return bytes;
}

/** What is known of a frame that belongs to a probe; undefined: it belongs to none of these. */
export function recognise(frame: Buffer, tokens: ReadonlySet<number>): Omit<Sighting, 'tap'> | undefined {
  if (frame.length < ETHERNET + 20 || frame.readUInt16BE(12) !== ETHERTYPE_IPV4) return undefined;
  const ip = frame.subarray(ETHERNET);
  const body = ip.subarray((ip.readUInt8(0) & 0x0f) * 4);
  const protocol = ip.readUInt8(9);
  const ends = { source: addressText(ip.subarray(12, 16)), destination: addressText(ip.subarray(16, 20)) };
  if (protocol === PROTOCOLS.tcp && body.length >= 20) return ofSegment(body, tokens, ends);
  if (protocol === PROTOCOLS.icmp && body.length >= 12) {
    const type = body.readUInt8(0);
    const token = body.readUInt32BE(8);
    if (!tokens.has(token) || (type !== ECHO_REQUEST && type !== ECHO_REPLY)) return undefined;
    return { token, ...(type === ECHO_REPLY ? { answer: 'echo-reply' as const } : {}), ...ends };
  }
  if (protocol !== PROTOCOLS.udp || body.length < UDP_HEADER + 4) return undefined;
  const token = body.readUInt32BE(UDP_HEADER);
  if (tokens.has(token)) return { token, ...ends };
  if (body.readUInt8(UDP_HEADER) !== VXLAN_FLAGS) return undefined;
  const inner = recognise(body.subarray(UDP_HEADER + VXLAN_HEADER), tokens);
  return inner && { ...inner, vni: body.readUIntBE(UDP_HEADER + 4, 3) };
}

type Ends = Pick<Sighting, 'source' | 'destination'>;

function ofSegment(body: Buffer, tokens: ReadonlySet<number>, ends: Ends): Omit<Sighting, 'tap'> | undefined {
  const flags = body.readUInt8(13);
  const sent = body.readUInt32BE(4);
  if ((flags & (SYN | ACK)) === SYN && tokens.has(sent)) return { token: sent, ...ends };
  const answered = (body.readUInt32BE(8) - 1) >>> 0;
  if (!(flags & ACK) || !tokens.has(answered)) return undefined;
  if (flags & RST) return { token: answered, answer: 'reset', ...ends };
  return flags & SYN ? { token: answered, answer: 'syn-ack', ...ends } : undefined;
}
