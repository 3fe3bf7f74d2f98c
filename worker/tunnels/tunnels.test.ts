import { expect, onTestFinished, test } from 'vitest';
import { AsyncQueue, deferred } from '../../lib/async.js';
import { invalidArgument, SwarmError } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import {
  AttachMessage,
  AttachRequest,
  ExecOpen,
  ExecRequest,
  type TunnelAnswer,
  TunnelQuestion,
  TunnelRequest,
  TunnelsService,
} from '../../proto/gen/index.js';
import { RpcServer } from '../../proto/rpc/server.js';
import type { Callable } from './calls.js';
import { Tunnels } from './tunnels.js';

const TASK = 'the-task';
const unasked = () => {
  throw new RangeError('not part of this test');
};

/** A node with one task, in which `exec` does this; and a manager at whose end of the tunnel the test is. */
async function serve(exec: Callable['exec']) {
  const requests = new AsyncQueue<TunnelRequest>();
  const answers = new AsyncQueue<TunnelAnswer>();
  const server = new RpcServer(silentLogger);
  server.add(TunnelsService, {
    async *serve(messages, { credential }) {
      expect(credential?.nodeId).toBe('node');
      void (async () => {
        for await (const answer of messages) answers.push(answer);
      })().catch(() => undefined);
      yield* requests;
    },
  });
  const manager = `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
  const tunnels = new Tunnels({
    containers: { exec, attach: unasked, copyFrom: unasked, copyTo: unasked },
    credential: { nodeId: 'node', secret: new Uint8Array(32) },
    log: silentLogger,
    has: (task) => task === TASK,
    knows: (address) => address === manager,
  });
  const stop = new AbortController();
  const running = tunnels.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await running;
    server.close();
  });
  const question = TunnelQuestion.create({ tunnelId: 'secret', taskId: TASK, manager });
  const next = answers[Symbol.asyncIterator]();
  return { tunnels, question, requests, answer: async (): Promise<TunnelAnswer> => (await next.next()).value };
}

const opening = (ref: string) => {
  const open = ExecOpen.create({ ref, command: ['cat'] });
  return TunnelRequest.create({ exec: ExecRequest.create({ open }) });
};
const typed = (text: string) => TunnelRequest.create({ exec: ExecRequest.create({ stdin: Buffer.from(text) }) });

/** Answers what it is sent. */
const cat: Callable['exec'] = async function* (messages) {
  for await (const { open, stdin } of messages)
    yield AttachMessage.create({ stdout: open ? Buffer.from(open.ref) : stdin });
};

const text = ({ process }: TunnelAnswer) => Buffer.from(process?.stdout ?? []).toString();

test('open - joins with the id, and makes the call in the task whatever the operator names', async () => {
  const { tunnels, question, requests, answer } = await serve(cat);
  tunnels.open(question);
  // Asked again, as across a change of leader.
  tunnels.open(question);
  requests.push(opening('another'), typed('hello'));
  expect((await answer()).tunnelId).toBe('secret');
  expect(text(await answer())).toBe(TASK);
  expect(text(await answer())).toBe('hello');
  requests.push(TunnelRequest.create({ end: true }));
  expect((await answer()).end).toEqual({ error: undefined });
  requests.end();
});

test('open - what has been taken is told', async () => {
  const { tunnels, question, requests, answer } = await serve(cat);
  tunnels.open(question);
  requests.push(opening(TASK), typed('1'), typed('2'), typed('3'), TunnelRequest.create({ end: true }));
  const told: (number | undefined)[] = [];
  for (let next = await answer(); !next.end; next = await answer()) told.push(next.taken);
  expect(told.filter((taken) => taken !== undefined)).toEqual([4]);
  requests.end();
});

test('open - an error of the call comes whole, and one of another call too', async () => {
  const failing = await serve(async function* () {
    yield AttachMessage.create({ stdout: Buffer.from('x') });
    throw invalidArgument('no such user: bob', { value: 'bob', hint: 'look' });
  });
  failing.tunnels.open(failing.question);
  failing.requests.push(opening(TASK));
  await failing.answer();
  await failing.answer();
  expect((await failing.answer()).end?.error).toMatchObject({ code: 'INVALID_ARGUMENT', value: 'bob', hint: 'look' });
  failing.requests.end();

  const mixed = await serve(cat);
  mixed.tunnels.open(mixed.question);
  mixed.requests.push(opening(TASK), TunnelRequest.create({ attach: AttachRequest.create({ signal: 'TERM' }) }));
  await mixed.answer();
  await mixed.answer();
  expect((await mixed.answer()).end?.error?.code).toBe('INVALID_ARGUMENT');
  mixed.requests.end();
});

test('open - the call is given up when the operator has gone, also one that takes no input and gives no output', async () => {
  const gone = deferred<void>();
  const { tunnels, question, requests, answer } = await serve(async function* (_messages, { signal }) {
    signal.addEventListener('abort', () => gone.resolve());
    yield AttachMessage.create({ stdout: Buffer.from('running') });
    await gone.promise;
  });
  tunnels.open(question);
  requests.push(opening(TASK), ...Array.from({ length: 7 }, () => typed('x')));
  await answer();
  expect(text(await answer())).toBe('running');
  requests.fail(new SwarmError('CANCELLED', 'the operator has gone'));
  await gone.promise;
});

test('open - only for tasks of this node, and only to managers that it knows', async () => {
  const { tunnels, question } = await serve(cat);
  expect(() => tunnels.open({ ...question, taskId: 'other' })).toThrow('task other has no container on this node');
  expect(() => tunnels.open({ ...question, manager: '192.0.2.66:2377' })).toThrow('192.0.2.66:2377');
});
