/** Encoders and parsers against what iproute2 and Linux 6.18 said to each other, recorded with strace. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { newAddress, parseAddressMessage } from './addresses.js';
import { newBridge, newVeth, newVxlan, parseLink, setLink } from './links.js';
import { decodeAcknowledgement, decodeMessages, type NetlinkMessage, type NetlinkRequest } from './messages.js';
import { newFdb, newNeighbour, parseFdb, parseNeighbour } from './neighbours.js';
import { newRoute, parseRoute } from './routes.js';
import { newRule, parseRule } from './rules.js';
import {
  deleteSecurityAssociation,
  deleteSecurityPolicy,
  newSecurityAssociation,
  parseSecurityAssociation,
  parseSecurityPolicy,
  setSecurityPolicy,
} from './xfrm.js';

const recorded = JSON.parse(readFileSync(new URL('testdata/recorded.json', import.meta.url), 'utf8')) as {
  requests: Record<string, { command: string; bytes: string }>;
  replies: Record<string, string>;
};

function first(hex: string | undefined): NetlinkMessage {
  const [message] = decodeMessages(Buffer.from(hex ?? '', 'hex'));
  if (!message) throw new Error('nothing recorded under this name');
  return message;
}

const reply = (name: string): NetlinkMessage => first(recorded.replies[name]);

interface Tree {
  readonly [type: number]: string | Tree;
}

/** A nested attribute's type, and the length of the header before the attributes in it. */
interface Level {
  readonly type: number;
  readonly header: number;
}

/** Attributes by type, whatever their order; `levels` is the path to nested ones. */
function tree(bytes: Buffer, levels: readonly Level[]): Tree {
  const result: Record<number, string | Tree> = {};
  for (let offset = 0; offset < bytes.length; ) {
    const length = bytes.readUInt16LE(offset);
    const type = bytes.readUInt16LE(offset + 2) & 0x3fff;
    const value = bytes.subarray(offset + 4, offset + length);
    const [here, ...deeper] = levels;
    result[type] = type === here?.type ? tree(value.subarray(here.header), deeper) : value.toString('hex');
    offset += (length + 3) & ~3;
  }
  return result;
}

const kindData: readonly Level[] = [
  { type: 18, header: 0 },
  { type: 2, header: 0 },
];

interface Comparison {
  readonly request: NetlinkRequest;
  /** Length of the header before the attributes. */
  readonly header: number;
  readonly levels?: readonly Level[];
}

const REQID = 0x74737377;
const xfrmKey = Buffer.alloc(20, 7);
const association = { source: '192.0.2.1', destination: '192.0.2.2', spi: 0x1001 };
const policy = { ...association, port: 4789, mark: REQID, reqid: REQID };

const requests: Record<string, Comparison> = {
  bridge: {
    request: newBridge({ name: 'br0', up: true, mac: '02:42:0a:00:01:01', multicastSnooping: false }).request,
    header: 16,
    levels: kindData,
  },
  vxlan: {
    request: newVxlan({
      name: 'vx0',
      mtu: 1450,
      vni: 4097,
      local: '192.0.2.1',
      port: 4789,
      learning: false,
      proxy: true,
    }).request,
    header: 16,
    levels: kindData,
  },
  veth: {
    request: newVeth({
      name: 'a',
      mtu: 1450,
      up: true,
      group: 77,
      master: 2,
      peer: { name: 'b', mac: '02:42:0a:00:01:05', mtu: 1450 },
    }).request,
    header: 16,
    levels: [...kindData, { type: 1, header: 16 }],
  },
  addr: { request: newAddress({ index: 2, cidr: '10.0.1.5/24' }).request, header: 8 },
  route: {
    request: newRoute({
      destination: '0.0.0.0/0',
      via: '10.0.1.1',
      index: 2,
      onlink: true,
      mtu: 1400,
      table: 1000,
    }).request,
    header: 12,
    levels: [{ type: 8, header: 0 }],
  },
  rule: {
    request: newRule({ family: 4, priority: 100, fwmark: 0x242, fwmask: 0xffff, table: 1000 }).request,
    header: 12,
  },
  neigh: { request: newNeighbour({ index: 2, address: '10.0.1.7', mac: '02:42:0a:00:01:07' }).request, header: 12 },
  fdb: {
    request: newFdb({ index: 5, mac: '00:00:00:00:00:00', vtep: '192.0.2.2', append: true }).request,
    header: 12,
  },
  fdbm: { request: newFdb({ index: 4, mac: '02:42:0a:00:01:05' }).request, header: 12 },
  xfrm: {
    request: newSecurityAssociation(
      { source: '192.0.2.1', destination: '192.0.2.2', spi: 0x1000, reqid: 1, icvBits: 64 },
      xfrmKey,
    ),
    header: 224,
  },
  xfrm128: { request: newSecurityAssociation({ ...association, reqid: REQID, icvBits: 128 }, xfrmKey), header: 224 },
  'xfrm delete': { request: deleteSecurityAssociation(association), header: 24 },
  policy: { request: setSecurityPolicy(policy), header: 168 },
  'policy delete': { request: deleteSecurityPolicy(policy), header: 64 },
};

describe('requests', () => {
  test.each(Object.entries(requests))('%s - as iproute2 asks', (name, { request, header, levels = [] }) => {
    const theirs = first(recorded.requests[name]?.bytes);
    expect(request.type).toBe(theirs.type);
    expect(request.payload.subarray(0, header).toString('hex')).toBe(
      theirs.payload.subarray(0, header).toString('hex'),
    );
    expect(tree(request.payload.subarray(header), levels)).toEqual(tree(theirs.payload.subarray(header), levels));
  });

  test('isolated - comes after the change itself, which may set the master', () => {
    const change = setLink({ index: 4 }, { master: 2, isolated: true });
    const sent = tree(change.followUp?.payload.subarray(16) ?? Buffer.alloc(0), [
      { type: 18, header: 0 },
      { type: 5, header: 0 },
    ]);
    expect(sent).toEqual({ 18: { 4: Buffer.from('bridge').toString('hex'), 5: { 33: '01' } } });
    expect(setLink({ index: 4 }, { up: true }).followUp).toBeUndefined();
  });
});

describe('replies', () => {
  test('veth as isolated bridge port', () => {
    expect(parseLink(reply('veth as isolated bridge port'))).toEqual({
      index: 4,
      name: 'a',
      kind: 'veth',
      mtu: 1450,
      mac: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
      up: true,
      running: false,
      master: 2,
      peerIndex: 3,
      peerNetnsId: undefined,
      group: 77,
      alias: '',
      bridgePort: { isolated: true, hairpin: false, learning: true, unicastFlood: true },
      vxlan: undefined,
    });
  });

  test('vxlan device', () => {
    expect(parseLink(reply('vxlan device'))).toMatchObject({
      index: 5,
      name: 'vx0',
      kind: 'vxlan',
      mtu: 1450,
      up: false,
      bridgePort: undefined,
      vxlan: { vni: 4097, port: 4789, local: '192.0.2.1', learning: false, proxy: true },
    });
  });

  test('route, rule, neighbour, forwarding entry, addresses', () => {
    expect(parseRoute(reply('route'))).toMatchObject({
      family: 4,
      destination: '0.0.0.0/0',
      via: '10.0.1.1',
      index: 2,
      onlink: true,
      table: 1000,
      mtu: 1400,
    });
    expect(parseRule(reply('rule'))).toMatchObject({ priority: 100, fwmark: 0x242, fwmask: 0xffff, table: 1000 });
    expect(parseNeighbour(reply('neighbour'))).toMatchObject({
      index: 2,
      address: '10.0.1.7',
      mac: '02:42:0a:00:01:07',
      permanent: true,
    });
    expect(parseFdb(reply('forwarding entry of a vxlan device'))).toMatchObject({
      index: 5,
      mac: '00:00:00:00:00:00',
      vtep: '192.0.2.2',
      master: undefined,
      permanent: true,
    });
    expect(parseNeighbour(reply('forwarding entry of a vxlan device'))).toBeUndefined();
    expect(parseAddressMessage(reply('address'))).toMatchObject({ index: 2, family: 4, cidr: '10.0.1.5/24' });
    expect(parseAddressMessage(reply('address IPv6'))).toMatchObject({ index: 2, family: 6, cidr: 'fd00:1::5/64' });
  });

  test('security association, with the packets that it has sent and without its key', () => {
    const seen = parseSecurityAssociation(reply('security association'));
    expect(seen).toEqual({ ...association, reqid: REQID, icvBits: 128, sent: 5, ordinary: true });
  });

  test('security policy', () => {
    expect(parseSecurityPolicy(reply('security policy'))).toEqual(policy);
  });

  test("refusal - has the kernel's words after the echoed request", () => {
    expect(decodeAcknowledgement(reply('refusal'))).toEqual({
      errno: 17,
      detail: 'A VXLAN device with the specified VNI already exists',
    });
  });
});
