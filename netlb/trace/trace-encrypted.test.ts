import { describe, expect, test } from 'vitest';
import { ENCRYPTION_MARK } from '../blueprint/encryption.js';
import { keyOf } from './facts.js';
import type { Answers, SecurityAnswer } from './queries.js';
import { asked, lost, type Recording, run, taskToTask } from './testing.js';

describe('encrypted', () => {
  const [one, two] = ['192.0.2.1', '192.0.2.2'] as const;
  const SPI = { [one]: 0x1001, [two]: 0x1002 } as const;

  /** As if the network were encrypted. @param missing a node without a policy or association for packets of a sender */
  function encrypted(missing?: {
    readonly node: string;
    readonly source: string;
    readonly what: keyof SecurityAnswer;
  }) {
    const facts = taskToTask.facts.map(([key, fact]) => {
      const { node, ...query } = asked(key);
      if (query.kind !== 'hook' || query.packet.vni === undefined || !('answer' in fact)) return [key, fact] as const;
      const answer = fact.answer as Answers['hook'];
      const marked = { ...answer, packet: { ...answer.packet, mark: ENCRYPTION_MARK } };
      if (query.hook === 'output') return [key, { answer: marked }] as const;
      const mark = query.hook === 'postrouting' ? ENCRYPTION_MARK : 0;
      return [keyOf(node, { ...query, packet: { ...query.packet, mark, ipsec: true } }), fact] as const;
    });
    const security = ['node1', 'node2'].flatMap((node) =>
      ([one, two] as const).map((source) => {
        const query = { kind: 'security', source, destination: source === one ? two : one, port: 4789 } as const;
        const whole: SecurityAnswer = { policy: SPI[source], associations: [SPI[source]] };
        const without = missing?.what === 'policy' ? { ...whole, policy: null } : { ...whole, associations: [] };
        const answer = missing?.node === node && missing.source === source ? without : whole;
        return [keyOf(node, query), { answer }] as const;
      }),
    );
    const all: Recording['facts'] = [...facts, ...security];
    return { ...taskToTask, facts: JSON.parse(JSON.stringify(all).replaceAll('"mtu":1450', '"mtu":1416')) };
  }

  test('task to task', () => {
    const { complete, hops } = run(encrypted());
    expect(complete).toBe(true);
    expect(hops.filter(({ kind }) => kind === 'esp').map(({ node, title }) => `${node} ${title}`)).toEqual([
      `node1 ${one} → ${two}: ESP, SPI 0x00001001`,
      `node2 ${two} → ${one}: ESP, SPI 0x00001002`,
    ]);
  });

  test('with the MTU of one that is not encrypted', () => {
    const { facts, ...rest } = encrypted();
    const large = JSON.parse(JSON.stringify(facts).replaceAll('"mtu":1416', '"mtu":1450'));
    expect(lost({ ...rest, facts: large })).toMatch(/1536 bytes \(1450 and 86 of headers\) do not fit the MTU 1500/);
  });

  test('with a packet that only its padding makes too large', () => {
    const { facts, ...rest } = encrypted();
    const tight = JSON.parse(
      JSON.stringify(facts).replaceAll('"mtu":1500', '"mtu":1499').replaceAll('"mtu":1416', '"mtu":1413'),
    );
    const { hops } = run({ ...rest, facts: tight });
    expect(hops.at(-1)).toMatchObject({
      reason: expect.stringContaining('1500 bytes (1413 and 87 of headers) do not fit the MTU 1499'),
      hint: expect.stringContaining('Make the MTU of the network 1412,'),
    });
  });

  test.each([
    [{ node: 'node1', source: one, what: 'policy' }, /^node1 - esp: .* node1 has no security policy for 192\.0\.2\.2/],
    [
      { node: 'node1', source: one, what: 'associations' },
      /^node1 - esp: node1 has no security association 0x00001001 to/,
    ],
    [
      { node: 'node2', source: one, what: 'associations' },
      /^node2 - esp: node2 has no security association 0x00001001 from/,
    ],
    [
      { node: 'node1', source: two, what: 'associations' },
      /^node1 - esp: node1 has no security association 0x00001002 from/,
    ],
  ] as const)('without its part: %j', (missing, reason) => {
    expect(lost(encrypted(missing))).toMatch(reason);
  });
});
