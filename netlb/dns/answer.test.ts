import { decode, encode, type Packet } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import type { ZoneName } from '../state.js';
import { respond } from './responder.js';
import { type ZoneChange, ZoneIndex } from './zone-index.js';

const name = (text: string, addresses: string[], canonical = false): ZoneName => ({ name: text, addresses, canonical });

const front: ZoneChange = {
  id: 'front',
  networkName: 'front',
  put: [
    name('web', ['10.0.1.2', 'fd00:1::2']),
    name('tasks.web', ['10.0.1.5', '10.0.1.6', '10.0.1.7']),
    name('web.1.abc', ['10.0.1.5'], true),
    name('six', ['fd00:1::9'], true),
    name(
      'many',
      Array.from({ length: 100 }, (_, i) => `10.0.2.${i}`),
    ),
    name('schön', ['10.0.1.77']),
  ],
  removed: [],
  ports: [{ port: 'http', protocol: 'tcp', service: 'web', target: 80 }],
};
const back: ZoneChange = { id: 'back', networkName: 'back', put: [name('web', ['10.0.9.2'])], removed: [], ports: [] };

function index(...changes: ZoneChange[]): ZoneIndex {
  const zone = new ZoneIndex();
  for (const change of changes) zone.apply(change);
  return zone;
}

/** What is answered; `forward` when others are to be asked. */
function ask(
  packet: Packet | Buffer,
  { zones = [index(front)], transport = 'udp' as 'udp' | 'tcp', forward = true } = {},
) {
  const bytes = Buffer.isBuffer(packet) ? packet : encode({ type: 'query', id: 7, flags: 0x0100, ...packet });
  const message = Buffer.alloc(4096);
  bytes.copy(message);
  const outcome = respond(message, bytes.length, transport, zones, forward);
  if (typeof outcome === 'number') return { ...decode(message.subarray(0, outcome)), length: outcome };
  return outcome && { forward: outcome.name };
}
const question = (text: string, type: 'A' | 'AAAA' | 'PTR' | 'SRV' | 'TXT' | 'ANY' = 'A') => ({
  questions: [{ name: text, type: type as 'A' }],
});
const data = (reply: ReturnType<typeof ask>): unknown[] =>
  reply && 'answers' in reply
    ? (reply.answers ?? []).map((record) => ('data' in record ? record.data : undefined))
    : [];

describe('answer - names', () => {
  it.each([
    ['web', 'A', ['10.0.1.2']],
    ['web', 'AAAA', ['fd00:1::2']],
    ['web', 'ANY', ['10.0.1.2', 'fd00:1::2']],
    ['web.front', 'A', ['10.0.1.2']],
    ['WEB.Front', 'A', ['10.0.1.2']],
    ['schön', 'A', ['10.0.1.77']],
    ['5.1.0.10.in-addr.arpa', 'PTR', ['web.1.abc.front']],
  ] as const)('%s %s', (text, type, expected) => {
    expect(data(ask(question(text, type)))).toEqual(expected);
  });

  it('an IPv6 address has a name too', () => {
    const digits = 'fd000001000000000000000000000009';
    expect(data(ask(question(`${[...digits].reverse().join('.')}.ip6.arpa`, 'PTR')))).toEqual(['six.front']);
  });

  it('a name that is known with another type has no records, and is not asked for elsewhere', () => {
    for (const [text, type] of [
      ['tasks.web', 'AAAA'],
      ['six', 'A'],
      ['web', 'TXT'],
      ['web', 'SRV'],
    ] as const)
      expect(ask(question(text, type))).toMatchObject({ rcode: 'NOERROR', answers: [] });
  });

  it('names of elsewhere are forwarded, of one label too', () => {
    expect(ask(question('example.org'))).toEqual({ forward: 'example.org' });
    expect(ask(question('nobody'))).toEqual({ forward: 'nobody' });
    expect(ask(question('nobody.front'))).toEqual({ forward: 'nobody.front' });
  });

  it('names of elsewhere are refused where nothing leads out', () => {
    expect(ask(question('example.org'), { forward: false })).toMatchObject({
      rcode: 'REFUSED',
      questions: [{ name: 'example.org' }],
    });
  });

  it('the first zone that knows a name answers', () => {
    const zones = [index(back), index(front)];
    expect(data(ask(question('web'), { zones }))).toEqual(['10.0.9.2']);
    expect(data(ask(question('web.front'), { zones }))).toEqual(['10.0.1.2']);
    expect(data(ask(question('tasks.web'), { zones }))).toHaveLength(3);
  });

  it('addresses are given in turn', () => {
    const zones = [index(front)];
    const firsts = Array.from({ length: 6 }, () => data(ask(question('tasks.web'), { zones })).at(0));
    expect(firsts).toEqual(['10.0.1.5', '10.0.1.6', '10.0.1.7', '10.0.1.5', '10.0.1.6', '10.0.1.7']);
  });

  it('a service’s port is found by name, with the addresses to go to', () => {
    for (const [asked, target] of [
      ['_http._tcp.web', 'web'],
      ['_http._tcp.web.front', 'web.front'],
    ] as const) {
      const reply = ask(question(asked, 'SRV'));
      expect(data(reply)).toEqual([{ port: 80, target, priority: 0, weight: 0 }]);
      expect(reply).toMatchObject({
        additionals: [
          { name: target, data: '10.0.1.2' },
          { name: target, type: 'AAAA' },
        ],
      });
    }
    expect(ask(question('_dns._udp.web', 'SRV'))).toEqual({ forward: '_dns._udp.web' });
  });
});

describe('answer - what is no address', () => {
  it('is left out of answers, and of what comes with them', () => {
    const odd = { ...front, put: [name('web', ['', '10.0.1.2', 'fe80::1%eth0'])] };
    const zones = [index(odd)];
    expect(data(ask(question('web', 'ANY'), { zones }))).toEqual(['10.0.1.2']);
    expect(ask(question('_http._tcp.web', 'SRV'), { zones })).toMatchObject({ additionals: [{ data: '10.0.1.2' }] });
  });
});

describe('answer - changes', () => {
  it('what is removed is gone, its address’s name too; the rest stays', () => {
    const change = { ...front, put: [name('tasks.web', ['10.0.1.6'])], removed: ['web.1.abc', 'web'] };
    const zones = [index(front, change)];
    expect(data(ask(question('tasks.web'), { zones }))).toEqual(['10.0.1.6']);
    for (const gone of ['web', 'web.1.abc', '5.1.0.10.in-addr.arpa'])
      expect(ask(question(gone), { zones })).toEqual({ forward: gone });
    expect(data(ask(question('six', 'AAAA'), { zones }))).toEqual(['fd00:1::9']);
  });

  it('an address that another has now keeps its new name', () => {
    const change = { ...front, put: [name('db.1.xyz', ['10.0.1.5'], true)], removed: ['web.1.abc'] };
    const moved = { ...front, put: [name('db.1.xyz', ['10.0.1.5'], true)], removed: [] };
    const gone = { ...front, put: [], removed: ['web.1.abc'] };
    for (const changes of [[change], [moved, gone]])
      expect(data(ask(question('5.1.0.10.in-addr.arpa', 'PTR'), { zones: [index(front, ...changes)] }))).toEqual([
        'db.1.xyz.front',
      ]);
  });
});

describe('answer - names that are too long', () => {
  it.each([
    ['the name itself', 'a.'.repeat(40_000).slice(0, -1), 'front'],
    ['with its network', `${'a.'.repeat(124)}abc`, 'front'],
    ['a label of the network', 'web', 'n'.repeat(64)],
  ])('%s: nothing is told by it, the other names are as ever', (_, text, networkName) => {
    const zones = [index({ ...front, networkName, put: [...front.put, name(text, ['10.0.1.99'], true)] })];
    expect(ask(question('99.1.0.10.in-addr.arpa', 'PTR'), { zones })).toEqual({ forward: '99.1.0.10.in-addr.arpa' });
    expect(data(ask(question('web'), { zones }))).not.toEqual([]);
  });
});

describe('answer - messages', () => {
  it('the question comes back as it was asked, and the header says who answers', () => {
    expect(ask(question('Web'))).toMatchObject({
      id: 7,
      type: 'response',
      flag_aa: true,
      flag_ra: true,
      flag_rd: true,
      flag_tc: false,
      questions: [{ name: 'Web', type: 'A' }],
      answers: [{ name: 'Web', ttl: 1, class: 'IN' }],
    });
  });

  it('without EDNS an answer has 512 bytes at most, and says that it is cut', () => {
    const reply = ask(question('many'));
    expect(reply).toMatchObject({ flag_tc: true, additionals: [] });
    expect(reply).toHaveProperty(
      'length',
      expect.toSatisfy((length: number) => length <= 512 && length > 480),
    );
  });

  it('EDNS makes room, and TCP makes more', () => {
    const opt = (size: number) => ({
      additionals: [{ type: 'OPT', name: '.', udpPayloadSize: size, flags: 0, options: [] } as never],
    });
    const reply = ask({ ...question('many'), ...opt(1232) });
    expect(reply).toMatchObject({ flag_tc: true, additionals: [{ type: 'OPT', udpPayloadSize: 1232 }] });
    expect(data(reply).length).toBe(74);
    expect(ask({ ...question('many'), ...opt(4096) })).toMatchObject({ flag_tc: false });
    // Less than 512 means 512 (RFC 6891, 6.2.3).
    expect(data(ask({ ...question('many'), ...opt(100) })).length).toBeGreaterThan(25);
    expect(data(ask(question('many'), { transport: 'tcp' }))).toHaveLength(100);
  });

  const query = (text: string) => encode({ type: 'query', id: 7, ...question(text) });
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = query('web');
    change(bytes);
    return bytes;
  };

  it('answers and fragments of headers are not answered', () => {
    expect(ask(changed((bytes) => bytes.writeUInt16BE(0x8000, 2)))).toBeUndefined();
    expect(ask(query('web').subarray(0, 11))).toBeUndefined();
    expect(ask(Buffer.alloc(0))).toBeUndefined();
  });

  it.each([
    ['another opcode', changed((bytes) => bytes.writeUInt16BE(5 << 11, 2)), 'NOTIMP'],
    ['no question', changed((bytes) => bytes.writeUInt16BE(0, 4)), 'FORMERR'],
    [
      'two questions',
      encode({ id: 7, questions: [...question('web').questions, ...question('six').questions] }),
      'FORMERR',
    ],
    ['a name that points', changed((bytes) => bytes.writeUInt16BE(0xc00c, 12)), 'FORMERR'],
    ['a name that never ends', query('web').subarray(0, 14), 'FORMERR'],
    ['a question without type', query('web').subarray(0, 18), 'FORMERR'],
    ['a record that is missing', changed((bytes) => bytes.writeUInt16BE(1, 10)), 'FORMERR'],
    ['a zone transfer', changed((bytes) => bytes.writeUInt16BE(252, bytes.length - 4)), 'REFUSED'],
  ])('%s is answered by an error', (_, bytes, rcode) => {
    expect(ask(bytes)).toMatchObject({ id: 7, rcode, answers: [] });
  });

  it('another version of EDNS is answered by BADVERS', () => {
    const additionals = [
      { type: 'OPT', name: '.', udpPayloadSize: 1232, ednsVersion: 1, flags: 0, options: [] } as never,
    ];
    expect(ask({ ...question('web'), additionals })).toMatchObject({
      rcode: 'NOERROR',
      additionals: [{ type: 'OPT', extendedRcode: 1, ednsVersion: 0 }],
    });
  });

  it('bytes at random never throw', () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 48271) % 2147483647;
      return seed;
    };
    const zones = [index(front)];
    for (let i = 0; i < 20_000; i++) {
      const bytes = query('web.front');
      for (let j = random() % 6; j >= 0; j--) bytes[random() % bytes.length] = random() & 0xff;
      const message = Buffer.alloc(600);
      bytes.copy(message);
      const outcome = respond(message, random() % (bytes.length + 1), 'udp', zones, true);
      if (typeof outcome === 'number') expect(outcome).toBeLessThanOrEqual(512);
    }
  });
});
