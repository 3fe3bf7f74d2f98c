import { expect, test } from 'vitest';
import type { ProbePacket } from '../queries.js';
import { checksum, probePacket, recognise } from './packet.js';

const TOKEN = 0xdeadbeef;
const probe = (protocol: ProbePacket['protocol']): ProbePacket => ({
  protocol,
  source: '10.0.1.11',
  destination: '10.0.1.12',
  sourcePort: 40000,
  destinationPort: 80,
  token: TOKEN,
});
const tokens = new Set([TOKEN]);
const ethernet = (packet: Buffer, type = '0800') =>
  Buffer.concat([Buffer.from(`02420a00010c02420a00010b${type}`, 'hex'), packet]);

test('checksum - the example of RFC 1071', () => {
  expect(checksum(Buffer.from('0001f203f4f5f6f7', 'hex'))).toBe(~0xddf2 & 0xffff);
});

test.each(['tcp', 'udp', 'icmp'] as const)('%s - the packet that is sent is known again', (protocol) => {
  const frame = ethernet(probePacket(probe(protocol)));
  expect(recognise(frame, tokens)).toEqual({ token: TOKEN, source: '10.0.1.11', destination: '10.0.1.12' });
  expect(recognise(frame, new Set([1]))).toBeUndefined();
  expect(recognise(frame.subarray(0, 20), tokens)).toBeUndefined();
});

test('inside of VXLAN - with its identifier', () => {
  const inner = ethernet(probePacket(probe('tcp')));
  const vxlan = Buffer.concat([Buffer.from('0800000000100100', 'hex'), inner]);
  const outer = probePacket({ ...probe('udp'), destinationPort: 4789, token: 0 }).subarray(0, 28);
  expect(recognise(ethernet(Buffer.concat([outer, vxlan])), tokens)).toMatchObject({ token: TOKEN, vni: 0x1001 });
});

test.each([
  [0x12, 'syn-ack'],
  [0x14, 'reset'],
] as const)('an answer with TCP flags 0x%s is a %s', (flags, answer) => {
  const packet = probePacket(probe('tcp'));
  packet.writeUInt32BE(7, 24);
  packet.writeUInt32BE((TOKEN + 1) >>> 0, 28);
  packet[33] = flags;
  expect(recognise(ethernet(packet), tokens)).toMatchObject({ token: TOKEN, answer });
});

test('an echo reply is an answer', () => {
  const packet = probePacket(probe('icmp'));
  packet[20] = 0;
  expect(recognise(ethernet(packet), tokens)).toMatchObject({ answer: 'echo-reply' });
});
