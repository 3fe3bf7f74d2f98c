import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import { silentLogger } from '../../lib/log.js';
import {
  InspectionBrokerService,
  InspectNodeRequest,
  KernelAnswer,
  KernelQuestion,
  Node,
  NodeAnswer,
  NodeDescription,
  NodeQuestion,
  NodeState,
  TunnelQuestion,
} from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { RpcServer } from '../../proto/rpc/server.js';
import { authenticate } from '../join/authenticate.js';
import { sha256 } from '../join/tokens.js';
import { openTestStore } from '../store/testing.js';
import { InspectionBroker } from './broker.js';
import { operatorsInspections } from './handlers.js';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function serve() {
  const folder = mkdtempSync(path.join(tmpdir(), 'inspections-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const clock = new ManualClock();
  const store = await openTestStore({ clock });
  const broker = new InspectionBroker({ store, clock, authenticate: (context) => authenticate(store, context) });
  const server = new RpcServer(silentLogger);
  server.add(InspectionBrokerService, broker.handlers());
  const target = `unix://${path.join(folder, 'manager.sock')}`;
  await server.listen(target);
  cleanups.push(() => server.close());

  const addNode = async (hostname: string, state: NodeState = NodeState.READY) => {
    const secret = Buffer.from(hostname);
    const id = newId();
    const node = Node.create({
      id,
      description: NodeDescription.create({ hostname }),
      credentialDigest: sha256(secret),
    });
    await store.update((draft) => draft.create('node', { ...node, status: { ...node.status, state } }));
    const connect = () => {
      const channel = new Channel(target, { nodeId: id, secret });
      const end = new AbortController();
      const stop = () => {
        end.abort();
        channel.close();
      };
      cleanups.push(stop);
      const stubs = channel.stubs(InspectionBrokerService);
      const questions = stubs.questions({ sessionId: '' }, { signal: end.signal })[Symbol.asyncIterator]();
      const next = async (): Promise<NodeQuestion> => (await questions.next()).value;
      return { next, answer: stubs.answer, stop };
    };
    return { id, connect };
  };
  const ask = (node: string, query = 'x') => {
    const question = NodeQuestion.create({ kernel: KernelQuestion.create({ queries: [query] }) });
    const outcome = broker.ask(node, question, new AbortController().signal);
    outcome.catch(() => undefined);
    return outcome;
  };
  return { clock, addNode, ask };
}

const answerTo = (question: NodeQuestion, ...facts: string[]) =>
  NodeAnswer.create({ questionId: question.id, kernel: KernelAnswer.create({ facts }) });

test('ask - by name or id; each question gets its own answer', async () => {
  const { addNode, ask } = await serve();
  const one = await addNode('one');
  const node = one.connect();
  const first = ask('one', 'a');
  const second = ask(one.id, 'b');
  const questions = [await node.next(), await node.next()];
  expect(questions.map(({ kernel }) => kernel?.queries)).toEqual([['a'], ['b']]);
  for (const question of questions.reverse()) await node.answer(answerTo(question, `${question.kernel?.queries[0]}!`));
  expect((await first).kernel?.facts).toEqual(['a!']);
  expect((await second).kernel?.facts).toEqual(['b!']);
});

test('ask - a node that connects within its time is asked then', async () => {
  const { addNode, ask } = await serve();
  const one = await addNode('one');
  const asked = ask('one');
  const node = one.connect();
  await node.answer(answerTo(await node.next(), 'late'));
  expect((await asked).kernel?.facts).toEqual(['late']);
});

test('ask - nodes that are unknown, down, not connected or silent are named', async () => {
  const { clock, addNode, ask } = await serve();
  await addNode('down', NodeState.DOWN);
  await addNode('away');
  const silent = (await addNode('silent')).connect();
  await expect(ask('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND', value: 'nobody' });
  await expect(ask('down')).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: 'node down is down: it cannot be asked',
  });
  const away = ask('away');
  const unanswered = ask('silent');
  const question = await silent.next();
  clock.advance(3_000);
  await expect(away).rejects.toThrow('node away is not connected: it cannot be asked');
  clock.advance(10_000);
  await expect(unanswered).rejects.toThrow('node silent did not answer within 10 s: it cannot be asked');
  await expect(silent.answer(answerTo(question))).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('ask - the node’s own error comes whole', async () => {
  const { addNode, ask } = await serve();
  const node = (await addNode('one')).connect();
  const asked = ask('one');
  const { id } = await node.next();
  await node.answer(
    NodeAnswer.create({ questionId: id, errorCode: 'UNIMPLEMENTED', error: 'too old', hint: 'update it' }),
  );
  await expect(asked).rejects.toMatchObject({ code: 'UNIMPLEMENTED', message: 'too old', hint: 'update it' });
});

test('ask - a node that goes away before it answers is not waited for', async () => {
  const { addNode, ask } = await serve();
  const node = (await addNode('one')).connect();
  const asked = ask('one');
  await node.next();
  node.stop();
  await expect(asked).rejects.toThrow('node one was disconnected before it answered');
});

test('answer - of another node is not taken', async () => {
  const { addNode, ask } = await serve();
  const one = (await addNode('one')).connect();
  const two = (await addNode('two')).connect();
  const asked = ask('one');
  const question = await one.next();
  await expect(two.answer(answerTo(question, 'forged'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await one.answer(answerTo(question, 'true'));
  expect((await asked).kernel?.facts).toEqual(['true']);
});

test('operators - ask what they like, but make no tunnels', async () => {
  const asked: string[] = [];
  const { inspectNode } = operatorsInspections({
    inspectNode: async ({ nodeId }) => {
      asked.push(nodeId);
      return { answer: NodeAnswer.create() };
    },
  });
  const context = { signal: new AbortController().signal, peer: '', credential: undefined, requestId: '' };
  const tunnel = TunnelQuestion.create({ manager: '192.0.2.66:2377' });
  const forged = InspectNodeRequest.create({ nodeId: 'one', question: NodeQuestion.create({ tunnel }) });
  await expect(inspectNode(forged, context)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await inspectNode(InspectNodeRequest.create({ nodeId: 'two' }), context);
  expect(asked).toEqual(['two']);
});
