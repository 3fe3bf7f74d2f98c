import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { setTypes } from '../types.js';
import { compile } from './compile.js';
import { intervalElements } from './intervals.js';

/**
 * Messages of rules as they were when the kernel made of them what it makes of those of the program nft (1.0.6), which
 * test/kernel/nft-compile.test.ts sees to: type and payload of each.
 */
const recorded = JSON.parse(readFileSync(new URL('./testdata/recorded.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, readonly string[]>
>;

const SETS = [
  'add table ip t',
  'add table ip6 t',
  'add table bridge t',
  'add table netdev t',
  'add chain ip t publish',
  'add chain ip6 t publish',
  'add set ip t vteps { type ipv4_addr; }',
  'add set ip t mesh_ports { type inet_proto . inet_service; }',
  'add map ip t ports_at { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }',
  'add map ip6 t ports_at6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }',
  'add map ip t marks { type inet_proto . inet_service : mark; }',
  'add map ip t services { type mark : verdict; }',
  'add set ip t clients { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 600s; }',
  'add set ip6 t clients6 { type ipv6_addr; size 65535; flags dynamic,timeout; timeout 600s; }',
  'add set ip t sent { type mark . ipv4_addr; counter; }',
  'add set bridge t macs { type ether_addr; }',
  'add map netdev t gw { type mark : ether_addr; size 65535; flags dynamic; }',
];
const none = () => undefined;

/** What one command becomes after sets of all kinds were made. */
const messagesOf = (command: string) =>
  compile([...SETS, command].join('\n'), none)
    .filter(({ line }) => line === SETS.length)
    .map(({ request }) => `${request.type & 0xff} ${request.payload.toString('hex')}`);

test.each(Object.entries(recorded))('%s', (rule, messages) => {
  const [family = '', ...words] = rule.split(' ');
  expect(messagesOf(`add rule ${family} t c ${words.join(' ')}`)).toEqual(messages);
});

test('a comment - is kept for who lists the rule', () => {
  const [message = ''] = messagesOf('add rule ip t c accept comment "#0123456789ab"');
  // NFTA_RULE_USERDATA: type 0, 14 bytes.
  expect(message).toMatch(/14000700000e23303132333435363738396162000*$/);
});

describe('what a set holds', () => {
  const findSet = () => ({ key: [setTypes.mark, setTypes.ipv4_addr], value: 'verdict' as const });
  const keys = (command: string) => compile(command, findSet).map(({ request }) => request.payload.toString('hex'));

  test('types are those of the set that is there', () => {
    const [message] = keys('add element ip t m { 256 . 10.0.0.1 : goto c }');
    expect(message).toContain('0c0001' + '00' + '000100000a000001');
  });

  test('an element of a counted set may begin with a count', () => {
    const counted = (element: string) =>
      compile(`add element ip t s { ${element} }`, () => ({ key: [setTypes.mark], value: undefined }));
    const [one] = counted('256 counter packets 1 bytes 258').map(({ request }) => request.payload.toString('hex'));
    // NFTA_COUNTER_BYTES, then _PACKETS.
    expect(one).toContain('0c000100' + '0000000000000102' + '0c000200' + '0000000000000001');
    expect(() => counted('256 counter packets 1')).toThrow('"256 counter packets 1" is not of the form');
  });

  test('elements of one command are in as many messages as they need', () => {
    const many = Array.from({ length: 3000 }, (_, i) => `${i} . 10.0.0.1 : goto chain`);
    const messages = keys(`add element ip t m { ${many.join(', ')} }`);
    expect(messages.length).toBeGreaterThan(1);
    for (const message of messages) expect(message.length / 2).toBeLessThan(2 ** 16);
  });
});

describe('intervals', () => {
  const elements = (type: 'ipv4_addr' | 'ipv6_addr', ...items: string[]) =>
    intervalElements(items, setTypes[type]).map(
      ({ key, isEnd }) => `${setTypes[type].text(key)}${isEnd ? ' end' : ''}`,
    );

  test.each([
    [
      'in order, from the beginning on',
      ['10.0.0.0/24', '9.0.0.1'],
      ['0.0.0.0 end', '9.0.0.1', '9.0.0.2 end', '10.0.0.0', '10.0.1.0 end'],
    ],
    ['one within another', ['10.0.0.0/8', '10.1.0.0/16'], ['0.0.0.0 end', '10.0.0.0', '11.0.0.0 end']],
    ['what touches is one', ['10.0.0.0/25', '10.0.0.128/25'], ['0.0.0.0 end', '10.0.0.0', '10.0.1.0 end']],
    ['up to the last address', ['255.0.0.0/8', '0.0.0.0/8'], ['0.0.0.0', '1.0.0.0 end', '255.0.0.0']],
    ['host bits are of no matter', ['10.0.0.7/24'], ['0.0.0.0 end', '10.0.0.0', '10.0.1.0 end']],
  ])('%s', (_, items, expected) => {
    expect(elements('ipv4_addr', ...items)).toEqual(expected);
  });

  test('of IPv6', () => {
    expect(elements('ipv6_addr', '::', 'fe80::/10')).toEqual(['::', '::1 end', 'fe80::', 'fec0:: end']);
    expect(() => elements('ipv6_addr', '10.0.0.0/8')).toThrow('is not an address of 16 bytes');
  });
});

describe('words that rules of ours are not made of are refused, with the line', () => {
  test.each([
    ['list ruleset', '"list ruleset" is no command of ours'],
    ['add table inet t', '"inet" is no family of tables of ours'],
    ['add table ip t { }', 'nothing is expected, not "{ }"'],
    ['add chain ip t c { type nat hook ingress priority 0; policy accept; }', 'family ip has no hook "ingress"'],
    ['add chain ip t c { type nat hook input priority filter; policy accept; }', '"filter" is not a number'],
    ['add chain ip t c { type nat hook input priority 0; policy queue; }', '"queue" is no policy'],
    ['add set ip t s { type mark; flags interval; }', 'no set of ours has the flag "interval"'],
    ['add set ip t s { type iface_index; }', 'no set of ours has keys of type iface_index'],
    ['add set ip t s { type mark; timeout 5m; }', '"5m" is not a number of seconds, as 600s'],
    ['add element ip t nope { 1 }', 'there is no set nope in table ip t'],
    ['add element ip t vteps { 10.0.0.1 . 5 }', '"10.0.0.1 . 5" is not an IP address'],
    ['add element ip t vteps { fd00::1 }', '"fd00::1" is not an address of 4 bytes'],
    ['add element ip t mesh_ports { 6 }', '"6" has 1 parts, not 2'],
    ['add element ip t mesh_ports { 6 . 65536 }', '"65536" is not a number of 2 bytes'],
    ['add element ip t marks { 6 . 80 }', '"6 . 80" has no value'],
    ['add element ip t services { 1 : accept }', 'no map of ours has the verdict "accept"'],
    ['add element bridge t macs { 02:42 }', '"02:42" is not a MAC address'],
    ['add rule ip t c counter drop', '"counter drop" is nothing that rules of ours look at'],
    ['add rule ip t c ip ttl 5', '"ip ttl" is nothing that rules of ours look at'],
    ['add rule ip t c ip6 saddr ::1', 'it is about packets of IPv4 already'],
    ['add rule ip t c meta l4proto 6 udp dport 53', 'it is about protocol 6 already'],
    ['add rule ip t c ether saddr 02:42:00:00:00:01', 'a table of family ip has no frames'],
    ['add rule ip t c iifname eth0', 'eth0 is not the name of an interface in quotes'],
    ['add rule ip t c iifname { "eth*", "lo" }', '"eth*" cannot be in a set'],
    ['add rule ip t c ct state { new, established }', 'no rule of ours has a set of such values'],
    ['add rule ip t c dnat ip to 10.0.0.1:80', 'the rule does not say of which protocol'],
    ['add rule ip t c dnat ip to meta mark map @marks', 'a map of a ip table leads to a ipv4_addr'],
    ['add rule ip t c @th,97,24 5', '@th,97,24 is not of the form @ll,80,16 with whole bytes'],
    ['add rule ip t c reject with icmp host-unreachable', '"port-unreachable" is expected, not "host-unreachable"'],
    ['add rule ip t c ct state set 5', 'rules of ours set marks, ports and MACs alone'],
    ['add rule ip t c meta mark set ip saddr . meta mark', 'a field of 4 bytes is expected before the end'],
    ['add rule ip t c jump', 'a chain is missing at the end'],
  ])('%s', (command, words) => {
    expect(() => messagesOf(command)).toThrow(`${words}`);
    expect(() => messagesOf(command)).toThrow(`in line ${SETS.length + 1}: ${command}`);
  });
});
