/** What somebody who knows the underlay could send: a VXLAN packet in clear with a UDP datagram in it. Pure. */
import { isIPv4 } from 'node:net';

export interface Forged {
  readonly vni: number;
  readonly source: string;
  readonly destination: string;
  /** Of the task that it is for. */
  readonly mac: string;
  readonly port: number;
  readonly text: string;
}

const bytesOf = (address: string): number[] => {
  if (!isIPv4(address)) throw new TypeError(`${address} is not an IPv4 address`);
  return address.split('.').map(Number);
};

/** RFC 1071. */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The payload of the outer UDP datagram. */
export function vxlanPacket({ vni, source, destination, mac, port, text }: Forged): Buffer {
  const payload = Buffer.from(text);
  const vxlan = Buffer.from([8, 0, 0, 0, vni >>> 16, (vni >>> 8) & 255, vni & 255, 0]);
  const ethernet = Buffer.from(`${mac.replaceAll(':', '')}0242000000ff0800`, 'hex');
  const ip = Buffer.from([
    0x45,
    0,
    0,
    28 + payload.length,
    0,
    0,
    0,
    0,
    64,
    17,
    0,
    0,
    ...bytesOf(source),
    ...bytesOf(destination),
  ]);
  ip.writeUInt16BE(checksum(ip), 10);
  // A checksum of 0 stands for none.
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(5000, 0);
  udp.writeUInt16BE(port, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([vxlan, ethernet, ip, udp, payload]);
}
