import { describe, expect, test } from 'vitest';
import { diffTable, madeOf, pack } from './diff.js';
import { type ActualTable, type Chain, priorities, ruleDigest, type Table } from './table.js';

const table: Table = {
  family: 'ip',
  name: 'tsswarm',
  sets: [
    {
      name: 'ports',
      key: 'inet_service',
      value: 'verdict',
      keep: 'exact',
      elements: ['80 : goto web', '81 : goto api'],
    },
    { name: 'gw', key: 'mark', value: 'ether_addr', keep: 'learned', elements: [] },
    { name: 'flows', key: 'ipv4_addr', keep: 'journal', elements: ['10.0.0.1'] },
  ],
  chains: [
    { name: 'web', rules: ['dnat to 10.0.0.1'] },
    { name: 'api', rules: ['dnat to 10.0.0.2', 'drop'] },
    {
      name: 'in',
      base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat, policy: 'accept' },
      rules: ['tcp dport vmap @ports'],
    },
  ],
};

/** What the kernel shows when `shown` was made. */
function actualOf(shown: Table): ActualTable {
  return {
    sets: new Map(
      shown.sets.map(({ name, key, value, elements, counted }) => [
        name,
        { key, value, elements, ...(counted ? { counted } : {}) },
      ]),
    ),
    chains: new Map(shown.chains.map(({ name, base, rules }) => [name, { base, rules: rules.map(ruleDigest) }])),
  };
}

const rule = (chain: string, text: string) => `add rule ip tsswarm ${chain} ${text} comment "#${ruleDigest(text)}"`;
const withChain = (name: string, rules: readonly string[]): Table => ({
  ...table,
  chains: table.chains.map((chain) => (chain.name === name ? { ...chain, rules } : chain)),
});
const withSet = (name: string, elements: readonly string[]): Table => ({
  ...table,
  sets: table.sets.map((set) => (set.name === name ? { ...set, elements } : set)),
});

describe('diffTable', () => {
  test('nothing to do when all is there', () => {
    expect(diffTable(table, actualOf(table))).toEqual([]);
  });

  test('sets that the kernel fills: their size, and that it goes through them twice a minute', () => {
    const learned = { keep: 'learned', key: 'ipv4_addr', elements: [] } as const;
    const sets = [
      { ...learned, name: 'clients', timeout: 600 },
      { ...learned, name: 'brief', timeout: 5 },
      { ...learned, name: 'few', size: 4096 },
    ];
    const [commands = []] = diffTable({ ...table, sets, chains: [] }, undefined);
    expect(commands.filter((command) => command.startsWith('add set'))).toEqual([
      'add set ip tsswarm clients { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 600s; gc-interval 30s; }',
      'add set ip tsswarm brief { type ipv4_addr; size 65535; flags dynamic,timeout; timeout 5s; gc-interval 5s; }',
      'add set ip tsswarm few { type ipv4_addr; size 4096; flags dynamic; }',
    ]);
  });

  test('a table that is not there is made whole, rules before the elements that lead to them', () => {
    expect(diffTable(table, undefined)).toEqual([
      [
        'add table ip tsswarm',
        'add map ip tsswarm ports { type inet_service : verdict; }',
        'add map ip tsswarm gw { type mark : ether_addr; size 65535; flags dynamic; }',
        'add set ip tsswarm flows { type ipv4_addr; }',
        'add chain ip tsswarm web',
        'add chain ip tsswarm api',
        'add chain ip tsswarm in { type nat hook prerouting priority -100; policy accept; }',
        rule('web', 'dnat to 10.0.0.1'),
        rule('api', 'dnat to 10.0.0.2'),
        rule('api', 'drop'),
        rule('in', 'tcp dport vmap @ports'),
        'add element ip tsswarm ports { 80 : goto web, 81 : goto api }',
        'add element ip tsswarm flows { 10.0.0.1 }',
      ],
    ]);
  });

  test('a changed chain touches no other', () => {
    expect(diffTable(withChain('web', ['dnat to 10.0.0.9']), actualOf(table))).toEqual([
      ['flush chain ip tsswarm web', rule('web', 'dnat to 10.0.0.9')],
    ]);
  });

  test.each<[string, readonly string[]]>([
    ['deleted', []],
    ['foreign', [ruleDigest('dnat to 10.0.0.1'), '']],
    ['out of order', ['', ruleDigest('dnat to 10.0.0.1')]],
  ])('a %s rule is mended', (_, rules) => {
    const actual = actualOf(table);
    const chains = new Map([...actual.chains, ['web', { base: undefined, rules }]]);
    const [commands = []] = diffTable(table, { ...actual, chains });
    expect(commands.at(-1)).toBe(rule('web', 'dnat to 10.0.0.1'));
    expect(commands.length).toBe(rules.length > 0 ? 2 : 1);
  });

  test('elements that differ are changed in place', () => {
    const shown = withSet('ports', ['80 : goto api', '82 : goto web']);
    expect(diffTable(table, actualOf(shown))).toEqual([
      ['delete element ip tsswarm ports { 80, 82 }', 'add element ip tsswarm ports { 80 : goto web, 81 : goto api }'],
    ]);
  });

  test('a set that counts keeps the elements that stay, and so what they have counted', () => {
    const counting = (...elements: string[]): Table => ({
      ...table,
      sets: [...table.sets, { name: 'seen', key: 'mark . ipv4_addr', keep: 'exact', counted: true, elements }],
    });
    const [made = []] = diffTable(counting('256 . 10.0.0.1'), actualOf(table));
    expect(made).toEqual([
      'add set ip tsswarm seen { type mark . ipv4_addr; counter; }',
      'add element ip tsswarm seen { 256 . 10.0.0.1 }',
    ]);
    expect(diffTable(counting('256 . 10.0.0.1', '256 . 10.0.0.2'), actualOf(counting('256 . 10.0.0.1')))).toEqual([
      ['add element ip tsswarm seen { 256 . 10.0.0.2 }'],
    ]);
    expect(madeOf(counting('256 . 10.0.0.1'), undefined)).toEqual(actualOf(counting('256 . 10.0.0.1')));
  });

  test('a journal that counts suspects what it has, where packets passed before its table was made', () => {
    const counting: Table = {
      ...table,
      sets: table.sets.map((set) => (set.keep === 'journal' ? { ...set, counted: true } : set)),
    };
    const added = (transactions: readonly (readonly string[])[]) =>
      transactions.flat().filter((command) => command.startsWith('add element ip tsswarm flows'));
    const plain = ['add element ip tsswarm flows { 10.0.0.1 }'];
    expect(added(diffTable(counting, undefined, { fresh: true }))).toEqual(plain);
    const suspected = ['add element ip tsswarm flows { 10.0.0.1 counter packets 1 bytes 0 }'];
    expect(added(diffTable(counting, undefined))).toEqual(suspected);
    expect(added(diffTable(counting, actualOf(table)))).toEqual(suspected);
    // What is new was nobody's way yet.
    expect(added(diffTable(counting, actualOf({ ...counting, sets: counting.sets.slice(0, 2) })))).toEqual(plain);
  });

  test('a way is in its journal before anything leads there', () => {
    const [commands = []] = diffTable(table, actualOf(withSet('flows', [])));
    expect(commands).toEqual(['add element ip tsswarm flows { 10.0.0.1 }']);
    const both: Table = { ...withChain('web', ['dnat to 10.0.0.9']), sets: withSet('flows', ['10.0.0.9']).sets };
    expect(diffTable(both, actualOf(table))[0]?.[0]).toBe('add element ip tsswarm flows { 10.0.0.9 }');
  });

  test('what was learned or is in a journal stays', () => {
    const learned = withSet('gw', ['256 : 02:42:0a:00:00:02']);
    expect(diffTable(table, actualOf(learned))).toEqual([]);
    expect(diffTable(table, actualOf(withSet('flows', ['10.0.0.1', '10.0.0.7'])))).toEqual([]);
  });

  test('a stale chain goes after the elements that lead to it', () => {
    const smaller: Table = {
      ...withSet('ports', ['80 : goto web']),
      chains: table.chains.filter(({ name }) => name !== 'api'),
    };
    expect(diffTable(smaller, actualOf(table))).toEqual([
      ['delete element ip tsswarm ports { 81 }', 'flush chain ip tsswarm api', 'delete chain ip tsswarm api'],
    ]);
  });

  test('a stale map leads nowhere before the chains of its verdicts go', () => {
    const without: Table = {
      ...table,
      sets: table.sets.filter(({ name }) => name !== 'ports'),
      chains: [{ ...(table.chains[2] as Chain), rules: [] }],
    };
    expect(diffTable(without, actualOf(table))).toEqual([
      [
        'delete element ip tsswarm ports { 80, 81 }',
        'flush chain ip tsswarm in',
        'flush chain ip tsswarm web',
        'flush chain ip tsswarm api',
        'delete chain ip tsswarm web',
        'delete chain ip tsswarm api',
        'delete map ip tsswarm ports',
      ],
    ]);
  });

  test.each<[string, (actual: ActualTable) => ActualTable]>([
    [
      'a set of another type',
      (actual) => ({
        ...actual,
        sets: new Map([...actual.sets, ['ports', { key: 'mark', value: 'verdict', elements: [] }]]),
      }),
    ],
    [
      'a set that counts though it shall not',
      (actual) => ({
        ...actual,
        sets: new Map([
          ...actual.sets,
          ['flows', { key: 'ipv4_addr', value: undefined, elements: [], counted: true } as const],
        ]),
      }),
    ],
    [
      'a base chain at another hook',
      (actual) => ({ ...actual, chains: new Map([...actual.chains, ['in', { base: undefined, rules: [] }]]) }),
    ],
  ])('%s makes the table anew in one transaction, with what it had learned', (_, change) => {
    const transactions = diffTable(table, change(actualOf(withSet('gw', ['256 : 02:42:0a:00:00:02']))));
    expect(transactions).toHaveLength(1);
    expect(transactions[0]?.[0]).toBe('delete table ip tsswarm');
    expect(transactions[0]).toContain('add element ip tsswarm gw { 256 : 02:42:0a:00:00:02 }');
  });
});

describe('madeOf', () => {
  const before = actualOf({
    ...withSet('flows', ['10.0.0.7']),
    chains: [{ name: 'old', rules: ['drop'] }],
  });

  test('differs in nothing any more', () => {
    expect(diffTable(table, madeOf(table, before))).toEqual([]);
    expect(madeOf(table, undefined)).toEqual(actualOf(table));
  });

  test('a journal keeps what was in it until it is settled', () => {
    expect(madeOf(table, before).sets.get('flows')?.elements).toEqual(['10.0.0.1', '10.0.0.7']);
    expect(madeOf(table, before, { settled: true }).sets.get('flows')?.elements).toEqual(['10.0.0.1']);
  });

  test('what was learned is still there when the journal is settled', () => {
    const learned = actualOf(withSet('gw', ['256 : 02:42:0a:00:00:02']));
    expect(madeOf(table, learned, { settled: true }).sets.get('gw')?.elements).toEqual(['256 : 02:42:0a:00:00:02']);
  });
});

describe('pack', () => {
  test('joins small steps and never splits one', () => {
    const long = 'x'.repeat(15_000);
    expect(pack([['a'], ['b', 'c'], []])).toEqual([['a', 'b', 'c']]);
    expect(pack([[long, long], ['a'], [long]])).toEqual([
      [long, long],
      ['a', long],
    ]);
  });
});
