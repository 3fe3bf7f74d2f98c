import { describe, expect, test } from 'vitest';
import { followHook } from './evaluate.js';
import type { HookPacket } from './packet.js';
import { parseRuleset } from './ruleset.js';

const packet = (changes: Partial<HookPacket> = {}): HookPacket => ({
  protocol: 'tcp',
  source: '192.0.2.100',
  destination: '192.0.2.1',
  sourcePort: undefined,
  destinationPort: 8080,
  mark: 0,
  connectionMark: 0,
  state: 'new',
  translated: [],
  input: 'eth0',
  output: '',
  local: true,
  outputAddress: '',
  ...changes,
});

const base = { family: 'ip', table: 't', type: 'filter', hook: 'input', prio: 0, policy: 'accept' };
const chain = (name: string, more: object = {}) => ({ chain: { ...base, name, ...more } });
const plain = (name: string) => ({ chain: { family: 'ip', table: 't', name } });
let handles = 0;
const rule = (name: string, ...expr: object[]) => ({
  rule: { family: 'ip', table: 't', chain: name, handle: ++handles, expr },
});
const match = (left: object, right: unknown, op = '==') => ({ match: { op, left, right } });
const dport = { payload: { protocol: 'tcp', field: 'dport' } };
const saddr = { payload: { protocol: 'ip', field: 'saddr' } };
const ports = { concat: [{ meta: { key: 'l4proto' } }, { payload: { protocol: 'th', field: 'dport' } }] };
const follow = (
  entries: readonly object[],
  changes: Partial<HookPacket> = {},
  hook: 'input' | 'prerouting' = 'input',
) => followHook(parseRuleset(entries), ['ip', 'inet'], hook, packet(changes));

test.each([
  ['2001:db8::9', 'drop'],
  ['2001:db8::a', 'accept'],
])('a range of IPv6 addresses - %s', (source, verdict) => {
  const saddr6 = { payload: { protocol: 'ip6', field: 'saddr' } };
  const range = match(saddr6, { range: ['2001:db8::1', '2001:db8::9'] });
  const entries = [chain('in'), rule('in', range, { drop: null })];
  expect(follow(entries, { source, destination: '2001:db8::100' }).verdict).toBe(verdict);
});

test.each([
  ['<', 8081, 'drop'],
  ['<', 8080, 'accept'],
  ['<=', 8080, 'drop'],
  ['>', 8080, 'accept'],
  ['>', 8079, 'drop'],
  ['>=', 8081, 'accept'],
])('a port that is %s %i', (op, port, verdict) => {
  const outcome = follow([chain('in'), rule('in', match(dport, port, op), { drop: null })]);
  expect(outcome).toMatchObject({ verdict, suspicions: [] });
});

test('what has no order is not told', () => {
  const outcome = follow([chain('in'), rule('in', match(dport, 'http', '<'), { drop: null })]);
  expect(outcome).toMatchObject({ verdict: 'accept', suspicions: [{ action: 'drop' }] });
});

test('a packet of VXLAN in clear meets the rules of its network, and one that is ESP does not', () => {
  const clear = [
    match({ payload: { base: 'th', offset: 96, len: 24 } }, 4096),
    match({ meta: { key: 'ipsec' } }, false),
    { drop: null },
  ];
  const entries = [chain('in'), rule('in', ...clear)];
  const vxlan = { protocol: 'udp', destinationPort: 4789, vni: 4096, ipsec: false } as const;
  expect(follow(entries, vxlan).verdict).toBe('drop');
  expect(follow(entries, { ...vxlan, ipsec: true })).toMatchObject({ verdict: 'accept', suspicions: [] });
  expect(follow(entries, { ...vxlan, vni: 4097 })).toMatchObject({ verdict: 'accept', suspicions: [] });
});

describe('verdicts', () => {
  test.each([
    ['a port', match(dport, 8080)],
    ['a port in a set', match(dport, { set: [22, 8080] })],
    ['a port in a range', match(dport, { range: [8000, 9000] })],
    ['a port in a named set', match(ports, '@open')],
    ['an address in a block', match(saddr, { prefix: { addr: '192.0.2.0', len: 24 } })],
    ['an address in a range', match(saddr, { range: ['192.0.2.90', '192.0.2.110'] })],
    ['another address', match(saddr, '10.0.0.1', '!=')],
    ['the beginning of an interface’s name', match({ meta: { key: 'iifname' } }, 'eth*')],
    ['a state', match({ ct: { key: 'state' } }, ['new', 'untracked'], 'in')],
    ['a connection that is not translated', match({ ct: { key: 'status' } }, 'dnat', '!')],
    ['the first direction', match({ ct: { key: 'direction' } }, 'original')],
    ['an address of the machine', match({ fib: { result: 'type', flags: ['daddr'] } }, 'local')],
  ])('%s matches', (_name, condition) => {
    const open = { set: { family: 'ip', table: 't', name: 'open', elem: [{ concat: ['tcp', 8080] }] } };
    const { verdict, by } = follow([open, chain('in'), rule('in', condition, { drop: null })]);
    expect(verdict).toBe('drop');
    expect(by).toMatchObject({ table: 't', chain: 'in', handle: handles });
  });

  test.each([
    ['another port', match(dport, 80)],
    ['a port of another protocol', match({ payload: { protocol: 'udp', field: 'dport' } }, 8080)],
    ['not this port', match(dport, 8080, '!=')],
    ['another interface', match({ meta: { key: 'iifname' } }, 'eth1')],
    ['another state', match({ ct: { key: 'state' } }, 'established', 'in')],
  ])('%s does not match', (_name, condition) => {
    expect(follow([chain('in'), rule('in', condition, { drop: null })]).verdict).toBe('accept');
  });

  test('a policy of drop is named as such', () => {
    const { verdict, by } = follow([chain('in', { policy: 'drop' }), rule('in', match(dport, 80), { accept: null })]);
    expect(verdict).toBe('drop');
    expect(by).toMatchObject({ handle: 0, text: 'policy drop' });
  });

  test('base chains are gone through by priority, and an accept ends one chain only', () => {
    const entries = [
      chain('late', { prio: 10 }),
      chain('early', { prio: -10 }),
      rule('early', { accept: null }),
      rule('late', { reject: { type: 'tcp reset' } }),
    ];
    expect(follow(entries)).toMatchObject({ verdict: 'reject', by: { chain: 'late' } });
  });

  test('jump comes back to the next rule, goto does not', () => {
    const entries = (how: 'jump' | 'goto') => [
      plain('empty'),
      chain('in'),
      rule('in', { [how]: { target: 'empty' } }),
      rule('in', { drop: null }),
    ];
    expect(follow(entries('jump')).verdict).toBe('drop');
    expect(follow(entries('goto')).verdict).toBe('accept');
  });
});

describe('IPv6', () => {
  const six = { source: 'fd00::3', destination: 'fd00::5' };
  const daddr = { payload: { protocol: 'ip6', field: 'daddr' } };
  test.each([
    ['an address', match(daddr, 'fd00::5'), six, 'drop'],
    ['an address in a block', match(daddr, { prefix: { addr: 'fd00::', len: 64 } }), six, 'drop'],
    [
      'an echo request',
      match({ meta: { key: 'l4proto' } }, 'ipv6-icmp'),
      { ...six, protocol: 'icmp' as const },
      'drop',
    ],
    ['an address of IPv4', match(saddr, '192.0.2.100'), six, 'accept'],
    ['an address of IPv6, for IPv4', match(daddr, 'fd00::5'), {}, 'accept'],
  ])('%s', (_name, condition, changes, verdict) => {
    expect(follow([chain('in'), rule('in', condition, { drop: null })], changes).verdict).toBe(verdict);
  });
});

describe('doubts', () => {
  const limit = { limit: { rate: 1, per: 'second' } };

  test('a rule that may match is a suspicion, not a verdict', () => {
    const { verdict, suspicions } = follow([chain('in'), rule('in', limit, { drop: null })]);
    expect(verdict).toBe('accept');
    expect(suspicions).toMatchObject([{ action: 'drop', rule: { chain: 'in' } }]);
  });

  test('after an accept that may have been taken no refusal of that chain is certain', () => {
    const xt = { xt: { type: 'match', name: 'owner' } };
    const entries = [chain('in', { policy: 'drop' }), rule('in', xt, { accept: null })];
    expect(follow(entries)).toMatchObject({ verdict: 'accept', suspicions: [{ action: 'drop' }] });
  });

  test('what a jump that may be taken leads to is doubtful too', () => {
    const entries = [
      plain('deny'),
      rule('deny', { drop: null }),
      chain('in'),
      rule('in', limit, { jump: { target: 'deny' } }),
    ];
    expect(follow(entries)).toMatchObject({
      verdict: 'accept',
      suspicions: [{ action: 'drop', rule: { chain: 'deny' } }],
    });
  });
});

describe('translations', () => {
  const nat = (name: string) => chain(name, { type: 'nat', hook: 'prerouting', prio: -100 });
  const numgen = { numgen: { mode: 'inc', mod: 3, offset: 0 } };
  const balance = (elements: unknown) => ({
    dnat: { family: 'ip', addr: { map: { key: numgen, data: { set: elements } } } },
  });
  const backend = (address: string) => ({ concat: [address, 80] });

  test('a round robin gives all candidates with their turns, the preferred one first', () => {
    const entries = [
      nat('pre'),
      rule(
        'pre',
        balance([
          [0, backend('10.0.0.5')],
          [1, backend('10.0.0.6')],
          [2, backend('10.0.0.5')],
        ]),
      ),
    ];
    const tables = parseRuleset(entries);
    const { packet: after, translations } = followHook(tables, ['ip'], 'prerouting', packet(), '10.0.0.6');
    expect(translations[0]?.choices).toEqual([
      { address: '10.0.0.6', port: 80, weight: 1 },
      { address: '10.0.0.5', port: 80, weight: 2 },
    ]);
    expect(after).toMatchObject({ destination: '10.0.0.6', destinationPort: 80, translated: ['dnat'] });
  });

  test('mark by port, verdict by mark: as ingress_sbox does it', () => {
    const entries = [
      { map: { family: 'ip', table: 't', name: 'marks', elem: [[{ concat: ['tcp', 8080] }, 256]] } },
      { map: { family: 'ip', table: 't', name: 'services', elem: [[256, { goto: { target: 'service_100' } }]] } },
      plain('service_100'),
      rule('service_100', balance([[0, backend('10.0.0.5')]])),
      chain('mark', { hook: 'prerouting', prio: -150 }),
      rule('mark', { mangle: { key: { meta: { key: 'mark' } }, value: { map: { key: ports, data: '@marks' } } } }),
      nat('balance'),
      rule('balance', { vmap: { key: { meta: { key: 'mark' } }, data: '@services' } }),
    ];
    expect(follow(entries, {}, 'prerouting').packet).toMatchObject({ mark: 256, destination: '10.0.0.5' });
    expect(follow(entries, { destinationPort: 81 }, 'prerouting').packet).toMatchObject({
      mark: 0,
      destination: '192.0.2.1',
    });
  });

  test('a map without the key translates nothing, and the next rule is tried', () => {
    const map = { map: { key: ports, data: '@none' } };
    const entries = [
      nat('pre'),
      rule('pre', { dnat: { family: 'ip', addr: map } }),
      rule('pre', { dnat: { addr: '10.0.0.9' } }),
    ];
    expect(follow(entries, {}, 'prerouting').packet).toMatchObject({ destination: '10.0.0.9', destinationPort: 8080 });
  });

  test('connections are translated as their first packet was', () => {
    const entries = [nat('pre'), rule('pre', { dnat: { addr: '10.0.0.9' } })];
    expect(follow(entries, { state: 'established' }, 'prerouting').packet.destination).toBe('192.0.2.1');
  });
});

test('rules that lead to each other again and again are given up, not followed for hours', () => {
  const names = ['in', 'a', 'b', 'c', 'd', 'e', 'f'];
  const jumps = names.flatMap((name, i) =>
    Array.from({ length: 10 }, () =>
      rule(name, ...(names[i + 1] ? [{ jump: { target: names[i + 1] } }] : [{ counter: null }])),
    ),
  );
  const entries = [chain('in'), ...names.slice(1).map(plain), ...jumps];
  expect(() => follow(entries)).toThrow('more than 20000 rules');
});
