/** Encoders and parsers against what ipvsadm 1.31 and Linux 6.1 said to each other, recorded with strace. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  deleteIpvsDestination,
  deleteIpvsService,
  type IpvsCommand,
  ipvsRequest,
  ipvsServiceName,
  ipvsSettings,
  newIpvsDestination,
  newIpvsService,
  parseIpvsDestination,
  parseIpvsService,
  parseIpvsTimeouts,
  setIpvsDestination,
  setIpvsService,
  setIpvsTimeouts,
} from './ipvs.js';
import { decodeMessages, type NetlinkMessage } from './messages.js';

const recorded = JSON.parse(readFileSync(new URL('testdata/ipvs.json', import.meta.url), 'utf8')) as {
  requests: Record<string, { command: string; bytes: string }>;
  replies: Record<string, string[]>;
};
const FAMILY = 0x20;

function message(hex = ''): NetlinkMessage {
  const [first] = decodeMessages(Buffer.from(hex, 'hex'));
  if (!first) throw new Error('nothing recorded under this name');
  return first;
}

/** Attributes by type, those of the outermost taken apart. */
function tree(bytes: Buffer, depth = 1): object {
  const entries: [number, unknown][] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = bytes.readUInt16LE(offset);
    const type = bytes.readUInt16LE(offset + 2);
    const value = bytes.subarray(offset + 4, offset + length);
    entries.push([type & 0x3fff, depth > 0 && type & 0x8000 ? tree(value, depth - 1) : value.toString('hex')]);
    offset += (length + 3) & ~3;
  }
  return Object.fromEntries(entries);
}

const id = { family: 4, mark: 256 } as const;
const destination = { address: '10.0.0.11', port: 0, weight: 1, masquerade: true, limit: 0 };

const commands: Record<string, IpvsCommand> = {
  newservice: newIpvsService({ id, settings: ipvsSettings('wlc', 600) }),
  newservice6: newIpvsService({ id: { family: 6, mark: 256 }, settings: ipvsSettings('sh', 0) }),
  setservice: setIpvsService({ id, settings: ipvsSettings('rr', 0) }),
  newdest: newIpvsDestination(id, destination),
  setdest: setIpvsDestination(id, { ...destination, weight: 0 }),
  timeouts: setIpvsTimeouts({ tcp: 432_000, tcpFin: 120, udp: 300 }),
  deldest: deleteIpvsDestination(id, destination),
  delservice: deleteIpvsService(id),
};

/** ipvsadm says more (tunnels, all of a service to name it), with values that mean nothing here. */
test.each(Object.entries(commands))('%s - what is said, ipvsadm says in the same bytes', (name, command) => {
  const theirs = message(recorded.requests[name]?.bytes);
  const { type, payload } = ipvsRequest(FAMILY, command);
  expect(type).toBe(theirs.type);
  expect(payload.subarray(0, 4).toString('hex')).toBe(theirs.payload.subarray(0, 4).toString('hex'));
  // ipvsadm marks what is nested with the bit for it only since libnl 3.5.
  const marked = Buffer.from(theirs.payload.subarray(4));
  for (let offset = 0; offset < marked.length; offset += (marked.readUInt16LE(offset) + 3) & ~3)
    if (marked.readUInt16LE(offset) > 8) marked[offset + 3] = 0x80;
  expect(tree(marked)).toMatchObject(tree(payload.subarray(4)));
});

test('a service by address is named as ipvsadm does it', () => {
  const name = (family: 4 | 6, protocol: number, address: string) =>
    ipvsServiceName({ family, mark: 0, protocol, address, port: 80 });
  expect([name(4, 6, '10.0.0.1'), name(6, 17, 'fd00::5')]).toEqual(['TCP 10.0.0.1:80', 'UDP [fd00::5]:80']);
});

describe('replies', () => {
  test('services of both families, with what persists', () => {
    const services = recorded.replies.service?.map((hex) => parseIpvsService(message(hex)));
    expect(services).toEqual(
      expect.arrayContaining([
        { id: { family: 4, mark: 256 }, settings: { scheduler: 'rr', persistence: 0, flags: 0 } },
        { id: { family: 6, mark: 256 }, settings: { scheduler: 'sh', persistence: 0, flags: 8 } },
      ]),
    );
    expect(services?.map((service) => service && ipvsServiceName(service.id)).sort()).toEqual([
      'FWM 256',
      'FWM 256 IPv6',
    ]);
  });

  test('a destination, with its counters', () => {
    expect(parseIpvsDestination(message(recorded.replies.destination?.[0]), 4)).toEqual({
      ...destination,
      weight: 0,
      activeConnections: 0,
      counters: { connections: 0n, packetsIn: 0n, packetsOut: 0n, bytesIn: 0n, bytesOut: 0n },
    });
  });

  test('time-outs', () => {
    expect(parseIpvsTimeouts(message(recorded.replies.timeouts?.[0]))).toEqual({ tcp: 432_000, tcpFin: 120, udp: 300 });
  });
});
