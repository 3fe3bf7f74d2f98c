/** Told from answers of real kernels, which test/kernel/trace.test.ts has recorded; each test changes one of them. */
import { describe, expect, test } from 'vitest';
import { FactBook, keyOf, Missing } from './facts.js';
import type { Trace } from './hop.js';
import type { Answers, Fact } from './queries.js';
import { changed, kinds, lost, outsideToPort, run, taskToTask } from './testing.js';
import { trace } from './trace.js';

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
