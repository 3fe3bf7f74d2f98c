/**
 * A flood of SYNs from forged sources: `plane-flood HOST PORT PER_SECOND SECONDS FILLED`. Sources are of 198.18.0.0/15,
 * which nobody has (RFC 2544). Prints a line when FILLED are sent: a queue or table of half-open connections is full then.
 */
import { setTimeout as after } from 'node:timers/promises';
import { addressBytes } from '../../netlb/kernel/attributes.js';
import { sendTo, socket } from '../../netlb/kernel/syscalls.js';
import { probePacket } from '../../netlb/trace/probe/packet.js';

const AF_INET = 2;
const SOCK_RAW = 3;
/** The header is in what is sent. */
const IPPROTO_RAW = 255;
const PER_TURN = 50;

const [destination = '', port = '', perSecond = '', seconds = '', filled = ''] = process.argv.slice(2);
const fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
/** struct sockaddr_in */
const address = Buffer.alloc(16);
address.writeUInt16LE(AF_INET);
addressBytes(destination).copy(address, 4);

const total = Number(perSecond) * Number(seconds);
const start = performance.now();
for (let sent = 0; sent < total; ) {
  for (let i = 0; i < PER_TURN; i++, sent++) {
    const source = `198.${18 + ((sent >> 16) & 1)}.${(sent >> 8) & 255}.${sent & 255}`;
    const ports = { sourcePort: 1024 + (sent % 60_000), destinationPort: Number(port) };
    sendTo(fd, probePacket({ protocol: 'tcp', source, destination, ...ports, token: sent }), address);
  }
  if (sent >= Number(filled) && sent < Number(filled) + PER_TURN) process.stdout.write('filled\n');
  const due = start + (sent * 1000) / Number(perSecond);
  await after(Math.max(0, due - performance.now()));
}
