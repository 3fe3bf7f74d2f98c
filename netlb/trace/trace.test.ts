/** Told from answers of real kernels, which test/kernel/trace.test.ts has recorded; each test changes one of them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { ENCRYPTION_MARK } from '../blueprint/encryption.js';
import type { HookOutcome } from './evaluate.js';
import { FactBook, keyOf, Missing } from './facts.js';
import type { Hop, Trace } from './hop.js';
import type { IpvsAnswer } from './ipvs.js';
import type { HookPacket } from './packet.js';
import type { Answers, Fact, HookQuestion, Kind, Query, RouteAnswer, SecurityAnswer } from './queries.js';
import type { Directory, Question } from './question.js';
import { trace } from './trace.js';

interface Recording {
  readonly question: Question;
  readonly directory: Directory;
  readonly facts: readonly (readonly [string, Fact])[];
}

const recording = (name: string): Recording =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`recorded/${name}.json`, import.meta.url)), 'utf8'));
const taskToTask = recording('task-to-task');
const outsideToPort = recording('outside-to-port');

/** The query of a recorded fact, and the node that it was put to. */
function asked(key: string): Query & { readonly node: string } {
  const blank = key.indexOf(' ');
  return { node: key.slice(0, blank), ...(JSON.parse(key.slice(blank + 1)) as Query) };
}

/** Replaces the answers of a kind that `which` picks. */
function changed<K extends Kind>(
  { facts, ...rest }: Recording,
  kind: K,
  which: Readonly<Record<string, unknown>>,
  change: (answer: Answers[K]) => Answers[K] | Error,
): Recording {
  let count = 0;
  const altered = facts.map(([key, fact]) => {
    const query = asked(key) as Readonly<Record<string, unknown>> & { readonly kind: Kind };
    const fits = query.kind === kind && Object.entries(which).every(([name, value]) => query[name] === value);
    if (!fits || !('answer' in fact)) return [key, fact] as const;
    count++;
    const answer = change(fact.answer as Answers[K]);
    return [key, answer instanceof Error ? { error: answer.message } : { answer }] as const;
  });
  expect(count).toBeGreaterThan(0);
  return { ...rest, facts: altered };
}

const run = ({ question, directory, facts }: Recording): Trace => trace(question, directory, new FactBook(facts));
const lost = (given: Recording): string => {
  const { hops, complete } = run(given);
  const hop = hops.find(({ status }) => status === 'broken');
  expect(complete).toBe(false);
  expect(hop).toBe(hops.at(-1));
  return hop ? `${hop.node || '-'} ${hop.owner || hop.namespace || '-'} ${hop.kind}: ${hop.reason}` : '';
};
const kinds = (hops: readonly Hop[], leg: Hop['leg']) => hops.filter((hop) => hop.leg === leg).map(({ kind }) => kind);

describe('whole', () => {
  test('task to task', () => {
    const { complete, verdict, hops } = run(taskToTask);
    expect({ complete, verdict }).toEqual({ complete: true, verdict: 'The way is complete, there and back.' });
    const over = [
      'route',
      'neighbour',
      'link',
      'bridge',
      'fdb',
      'underlay',
      'underlay',
      'vxlan',
      'bridge',
      'link',
      'interface',
    ];
    expect(kinds(hops, 'there')).toEqual([...over, 'socket']);
    expect(kinds(hops, 'back')).toEqual(over);
  });

  test('outside to a published port', () => {
    const { complete, hops } = run(outsideToPort);
    expect(complete).toBe(true);
    expect(hops.find(({ kind }) => kind === 'balancer')?.candidates).toEqual([
      { address: '10.0.0.12', port: 80, weight: 1, owner: 'a2', node: 'node2', taken: true },
    ]);
    expect(hops.at(-1)).toMatchObject({ leg: 'back', node: 'node1', kind: 'outside' });
  });
});

describe('questions', () => {
  test('what is not known is asked for, and nothing else', () => {
    const wants: string[] = [];
    const book = new FactBook();
    const all = new Map(taskToTask.facts);
    for (let done = false; !done; ) {
      try {
        trace(taskToTask.question, taskToTask.directory, book);
        done = true;
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        for (const want of error.wants) {
          const key = keyOf(want.node, want.query);
          const fact = all.get(key);
          expect(fact).toBeDefined();
          if (fact) book.set(want, fact);
          wants.push(key);
        }
      }
    }
    expect(new Set(wants).size).toBe(wants.length);
    expect([...wants].sort()).toEqual([...all.keys()].sort());
  });

  test('a node that does not answer is where it ends', () => {
    const silent = changed(
      taskToTask,
      'links',
      { node: 'node2' },
      () => new Error('node node2 is down: it cannot be asked'),
    );
    expect(lost(silent)).toMatch(/^node2 .* node: node node2 is down: it cannot be asked$/);
  });

  test('a node that is no manager says so where its knowledge ends', () => {
    const { directory } = taskToTask;
    const nodes = directory.nodes.filter(({ id }) => id === 'node1');
    expect(lost({ ...taskToTask, directory: { ...directory, nodes, whole: false } })).toMatch(
      /^node1 1-front00000 fdb: from here on it is on another node \(192\.0\.2\.2\)/,
    );
    expect(lost({ ...taskToTask, directory: { ...directory, nodes, endpoints: [] } })).toMatch(
      /fdb: no node of the swarm has the address 192\.0\.2\.2$/,
    );
  });

  test('from outside - an address that no known node has is named', () => {
    const { question } = outsideToPort;
    const to = (address: string) =>
      lost({ ...outsideToPort, question: { ...question, to: { ...question.to, address } } });
    expect(to('192.0.2.77')).toMatch(/^- - outside: no node of the swarm has the address 192\.0\.2\.77$/);
  });

  test('from outside to an IPv6 address - the nodes are asked which one has it', () => {
    const { question, directory } = outsideToPort;
    const address = '2001:db8::1';
    const asked = (answers: readonly Fact<'addresses'>[]) => {
      const book = new FactBook(outsideToPort.facts);
      for (const [i, { id }] of directory.nodes.entries())
        book.set({ node: id, query: { kind: 'addresses', namespace: '' } }, answers[i] ?? { answer: [] });
      return () => trace({ ...question, to: { ...question.to, address } }, directory, book);
    };
    const missing = new FactBook(outsideToPort.facts.filter(([key]) => !key.includes('"addresses"')));
    const all = directory.nodes.map(({ id }) => ({ node: id, query: { kind: 'addresses', namespace: '' } }));
    const cold = () => trace({ ...question, to: { ...question.to, address } }, directory, missing);
    expect(cold).toThrow(expect.objectContaining({ wants: all }));
    const why = (run: () => Trace) => run().hops.at(-1)?.reason;
    expect(why(asked([]))).toBe(`no node of the swarm has the address ${address}`);
    expect(why(asked([{ error: 'no answer' }]))).toBe(
      `no node of the swarm has the address ${address}, as far as they could be asked (not ${directory.nodes[0]?.name})`,
    );
    const has = {
      index: 2,
      family: 6,
      cidr: `${address}/64`,
      scope: 0,
      noPrefixRoute: false,
      tentative: false,
    } as const;
    // What the second node does with the packet is the next question.
    expect(asked([{ answer: [] }, { answer: [has] }])).toThrow(
      expect.objectContaining({ wants: [expect.objectContaining({ node: directory.nodes[1]?.id })] }),
    );
  });

  test('a namespace that is gone is named with its owner', () => {
    const gone = changed(
      taskToTask,
      'route',
      { node: 'node1' },
      () => new Error('open …: No such file or directory (ENOENT)'),
    );
    expect(lost(gone)).toBe('node1 a1 node: node1 has no network namespace a100000000000000000000000, that of a1');
  });
});

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

describe('lost', () => {
  const noRoute = { found: false, code: 'ENETUNREACH', words: 'Network is unreachable (ENETUNREACH)' } as const;
  const front = '1-front00000';

  test('no route', () => {
    expect(lost(changed(taskToTask, 'route', { node: 'node1', destination: '10.0.1.12' }, () => noRoute))).toMatch(
      /^node1 a1 route: there is no route to 10\.0\.1\.12 \(a2 on node2\)/,
    );
  });

  test('no route between the nodes', () => {
    expect(lost(changed(taskToTask, 'route', { node: 'node1', destination: '192.0.2.2' }, () => noRoute))).toMatch(
      /^node1 - underlay: the node has no route to 192\.0\.2\.2/,
    );
  });

  test('the other end of a veth is gone', () => {
    expect(lost(changed(taskToTask, 'peer', { node: 'node2', namespace: front }, () => null))).toMatch(
      /^node2 1-front00000 link: the other end of ve\w+ is gone/,
    );
  });

  test('forwarding entry missing on the way back', () => {
    expect(lost(changed(taskToTask, 'fdb', { node: 'node2', mac: '02:42:0a:00:01:0b' }, () => []))).toMatch(
      /^node2 1-front00000 fdb: no port of br0 leads to 02:42:0a:00:01:0b/,
    );
    const onlyBridges = (answer: Answers['fdb']) => answer.filter(({ vtep }) => vtep === undefined);
    expect(lost(changed(taskToTask, 'fdb', { node: 'node2', mac: '02:42:0a:00:01:0b' }, onlyBridges))).toMatch(
      /^node2 1-front00000 fdb: vxlan0 has no forwarding entry for 02:42:0a:00:01:0b \(10\.0\.1\.11 \(a1 on node1\)\)/,
    );
  });

  test('a name that is not told, though both are in one network, is not put down to their networks', () => {
    const { question, directory } = taskToTask;
    const { from } = question;
    if (from.kind !== 'sandbox') throw new TypeError('the recording is of two tasks');
    const named = { ...question, to: { label: 'a2', name: 'a2', address: undefined } };
    const key = keyOf(from.node, { kind: 'resolve', namespace: from.namespace, name: 'a2' });
    const answer = { name: 'a2', server: '127.0.0.11', servers: ['127.0.0.11'], code: 'SERVFAIL', addresses: [] };
    expect(lost({ question: named, directory, facts: [[key, { answer }]] })).toMatch(
      /^node1 a1 resolver: 127\.0\.0\.11 knows no address of a2 \(SERVFAIL\), though a1 is in a network with a2: /,
    );
  });

  test('a resolver of ours that is silent may itself wait for others', () => {
    const { question, directory } = taskToTask;
    const { from } = question;
    if (from.kind !== 'sandbox') throw new TypeError('the recording is of two tasks');
    const named = { ...question, to: { label: 'x', name: 'x', address: undefined } };
    const key = keyOf(from.node, { kind: 'resolve', namespace: from.namespace, name: 'x' });
    const answer = { name: 'x', server: '', servers: ['127.0.0.11'], code: '', addresses: [] };
    expect(lost({ question: named, directory, facts: [[key, { answer }]] })).toMatch(
      /nobody answers questions for x: 127\.0\.0\.11 is silent; it may be waiting for servers elsewhere/,
    );
  });

  test('network missing on the far node', () => {
    expect(lost(changed(taskToTask, 'namespaces', { node: 'node2' }, () => []))).toBe(
      'node2 - vxlan: node2 does not have this network: there is no namespace 1-front00000',
    );
  });

  test('another port on the far node', () => {
    const other = (links: Answers['links']) =>
      links.map((link) => (link.vxlan ? { ...link, vxlan: { ...link.vxlan, port: 8472 } } : link));
    expect(lost(changed(taskToTask, 'links', { node: 'node2', namespace: front }, other))).toBe(
      'node2 1-front00000 vxlan: the packet has VNI 4097 and comes to port 4789; 1-front00000 of node2 has VNI 4097 on port 8472',
    );
  });

  test('the node’s address is gone', () => {
    expect(lost(changed(taskToTask, 'addresses', { node: 'node2', namespace: '' }, () => []))).toBe(
      'node2 - underlay: no interface of node2 has the address 192.0.2.2',
    );
  });

  test('answers are not sent back to the ingress_sbox that they came by', () => {
    const off = (answer: Answers['wayBack']) => answer && { ...answer, restores: false };
    expect(lost(changed(outsideToPort, 'wayBack', { node: 'node2' }, off))).toMatch(
      /^node2 a2 neighbour: the rule that sends answers back/,
    );
    const deaf = (answer: Answers['wayBack']) => answer && { ...answer, learns: false };
    expect(() => run(changed(outsideToPort, 'wayBack', { node: 'node2' }, deaf))).toThrow(Missing);
  });

  test('nobody listens', () => {
    const six = { protocol: 'tcp', family: 6, address: '', port: 80 } as const;
    expect(lost(changed(taskToTask, 'listeners', {}, () => [six]))).toBe(
      'node2 a2 socket: a2 listens on tcp port 80 over IPv6 only',
    );
    expect(lost(changed(taskToTask, 'listeners', {}, () => []))).toBe(
      'node2 a2 socket: nobody in a2 listens on tcp port 80',
    );
  });
});

describe('IPVS', () => {
  const namespace = 'ingress_sbox';
  const { question, directory } = outsideToPort;

  /** The recorded way to a published port, where node1 balances by IPVS instead. */
  function throughIpvs(destinations: IpvsAnswer['destinations']): Trace {
    const isTranslation = (key: string) => key.includes('"prerouting"') && key.includes('"destination":"172.18.0.2"');
    const book = new FactBook(outsideToPort.facts.filter(([key]) => !isTranslation(key)));
    const base = {
      protocol: 'tcp',
      source: '192.0.2.100',
      connectionMark: 0,
      state: 'new',
      outputAddress: '',
    } as const;
    const entering = { ...base, destination: '172.18.0.2', destinationPort: 8080, input: 'eth1', output: '' } as const;
    const arrived: HookPacket = { ...entering, sourcePort: undefined, mark: 0, translated: ['dnat'], local: true };
    const marked: HookPacket = { ...arrived, mark: 256 };
    const sent: HookPacket = {
      ...marked,
      ...{ destination: '10.0.0.12', destinationPort: 80, translated: ['dnat', 'dnat'], local: false },
      ...{ input: '', output: 'eth0' },
    };
    const hook = (name: HookQuestion['hook'], packet: HookPacket, after = packet): void =>
      book.set(
        { node: 'node1', query: { kind: 'hook', namespace, hook: name, layer: 'ip', packet, prefer: '' } },
        {
          answer: {
            verdict: 'accept',
            packet: after,
            by: undefined,
            translations: [],
            suspicions: [],
          } satisfies HookOutcome,
        },
      );
    const route = (destination: string, of: Pick<HookPacket, 'source' | 'mark' | 'input'>, answer: RouteAnswer): void =>
      book.set({ node: 'node1', query: { kind: 'route', namespace, destination, ...of } }, { answer });
    hook('prerouting', arrived, marked);
    route('172.18.0.2', { source: '192.0.2.100', mark: 256, input: 'eth1' }, {
      found: true,
      type: 'local',
      table: 255,
      index: 1,
    } as RouteAnswer);
    hook('input', marked);
    const settings = { scheduler: 'wrr', persistence: 0, flags: 0 };
    book.set(
      { node: 'node1', query: { kind: 'ipvs', namespace, family: 4, mark: 256 } },
      { answer: { settings, destinations } },
    );
    route('10.0.0.12', { source: '', mark: 0, input: '' }, {
      found: true,
      type: 'unicast',
      table: 254,
      index: 2,
    } as RouteAnswer);
    hook('output', sent);
    return trace(question, directory, book);
  }
  const destination = (address: string, weight: number) => ({ address, port: 80, weight, activeConnections: 0 });

  test('is gone through there and back, with all that a new connection may go to', () => {
    const { complete, hops } = throughIpvs([
      destination('10.0.0.11', 0),
      destination('10.0.0.12', 3),
      destination('10.0.0.99', 1),
    ]);
    expect(complete).toBe(true);
    expect(hops.filter(({ kind }) => kind === 'balancer')).toMatchObject([
      {
        title: 'IPVS FWM 256 172.18.0.2:8080 → 10.0.0.12:80',
        details: { service: 'FWM 256', scheduler: 'wrr' },
        candidates: [
          { address: '10.0.0.12', weight: 3, node: 'node2', taken: true },
          { address: '10.0.0.99', weight: 1, owner: '', taken: false },
        ],
      },
    ]);
    const undone = hops.find(
      ({ leg, namespace: where, kind }) => leg === 'back' && where === namespace && kind === 'translation',
    );
    expect(undone?.title).toBe('source 10.0.0.12:80 → 172.18.0.2:8080 (as it was)');
  });

  test('with nobody that takes new connections is where it is lost', () => {
    const { hops } = throughIpvs([destination('10.0.0.12', 0)]);
    expect(hops.at(-1)?.reason).toBe(
      'no destination of the IPVS service FWM 256 takes new connections: all 1 have weight 0',
    );
  });
});
