import { expect, test } from 'vitest';
import { AsyncQueue } from '../../lib/async.js';
import { failedPrecondition, notFound } from '../../lib/errors.js';
import {
  AttachMessage,
  CopyFromRequest,
  CopyToRequest,
  ExecOpen,
  ExecRequest,
  Exited,
  NodeState,
  TaskState,
  TunnelAnswer,
  TunnelEnd,
} from '../../proto/gen/index.js';
import { toRelayed } from '../../proto/rpc/relayed-error.js';
import { serveTunnels } from './testing.js';

const opening = (ref: string) =>
  ExecRequest.create({ open: ExecOpen.create({ ref, command: ['sh', '-c', 'secret'] }) });
const typed = (text: string) => ExecRequest.create({ stdin: Buffer.from(text) });
const printed = (text: string) => TunnelAnswer.create({ process: AttachMessage.create({ stdout: Buffer.from(text) }) });
const exited = (code: number) =>
  TunnelAnswer.create({ process: AttachMessage.create({ exited: Exited.create({ code }) }) });
const ended = (error?: Error) =>
  TunnelAnswer.create({ end: TunnelEnd.create(error ? { error: toRelayed(error) } : {}) });

/** An operator's exec of a task. */
function exec(swarm: Awaited<ReturnType<typeof serveTunnels>>, task: string) {
  const messages = new AsyncQueue<ExecRequest>();
  messages.push(opening(task));
  const leaving = new AbortController();
  const answers = swarm.operator.exec(messages, { signal: leaving.signal })[Symbol.asyncIterator]();
  const first = answers.next();
  first.catch(() => undefined);
  return { messages, answers, first, leave: () => leaving.abort() };
}

async function joined() {
  const swarm = await serveTunnels();
  const one = await swarm.node('one');
  const task = await swarm.task(one.id);
  const operator = exec(swarm, task);
  const question = await swarm.question();
  return { swarm, task, operator, question, node: one.come(question.tunnelId) };
}

/** Each message takes the next one within a few turns of the event loop, unless nothing is taken any more. */
async function untilIdle(count: () => number): Promise<void> {
  for (let idle = 0, last = -1; idle < 50; idle = count() === last ? idle + 1 : 0) {
    last = count();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('exec - what the operator sends reaches the node, and its answers the operator, to the end', async () => {
  const { task, operator, question, node } = await joined();
  expect(question).toMatchObject({ taskId: task, manager: '203.0.113.1:2377' });
  expect((await node.requests.next()).value.exec.open.command[0]).toBe('sh');
  operator.messages.push(typed('in'));
  expect((await node.requests.next()).value.exec.stdin.toString()).toBe('in');
  node.answers.push(printed('out'));
  expect(Buffer.from((await operator.first).value.stdout).toString()).toBe('out');
  operator.messages.end();
  expect((await node.requests.next()).value).toMatchObject({ end: true });
  node.answers.push(exited(3), ended());
  expect((await operator.answers.next()).value.exited.code).toBe(3);
  expect((await operator.answers.next()).done).toBe(true);
  expect((await node.requests.next()).done).toBe(true);
});

test('exec - the node’s error comes whole', async () => {
  const { operator, node } = await joined();
  await node.requests.next();
  node.answers.push(ended(notFound('no such user', { value: 'bob', hint: 'look' })));
  await expect(operator.first).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'no such user', hint: 'look' });
  expect((await node.requests.next()).done).toBe(true);
});

test('serve - a tunnel is its node’s alone, and opens once', async () => {
  const { swarm, operator, question, node } = await joined();
  await node.requests.next();
  const two = await swarm.node('two');
  const again = (await swarm.node('three')).come(question.tunnelId);
  await expect(again.requests.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const other = exec(swarm, await swarm.task(two.id));
  const { tunnelId } = await swarm.question();
  const forged = (await swarm.node('four')).come(tunnelId);
  await expect(forged.requests.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const real = two.come(tunnelId);
  await real.requests.next();
  const twice = two.come(tunnelId);
  await expect(twice.requests.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  for (const [end, at] of [[node, operator] as const, [real, other] as const]) {
    end.answers.push(exited(0), ended());
    expect((await at.first).value.exited.code).toBe(0);
  }
});

test('exec - a node that does not come in time is not waited for, and comes in vain', async () => {
  const swarm = await serveTunnels();
  const one = await swarm.node('one');
  const operator = exec(swarm, await swarm.task(one.id));
  const { tunnelId } = await swarm.question();
  await swarm.clock.advance(5_000);
  await expect(operator.first).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: 'node one did not reach this manager at 203.0.113.1:2377 within 5 s',
  });
  await expect(one.come(tunnelId).requests.next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('exec - a node that does not know this manager yet is asked again, for a while', async () => {
  const swarm = await serveTunnels();
  const one = await swarm.node('one');
  const task = await swarm.task(one.id);
  const unknown = () => failedPrecondition('the node does not know of a manager yet: try again');
  swarm.refusals.push(unknown(), unknown());
  const operator = exec(swarm, task);
  await swarm.question();
  for (const _ of [1, 2]) {
    await swarm.clock.advance(100);
    await swarm.question();
  }
  swarm.refusals.push(...Array.from({ length: 200 }, unknown));
  const late = exec(swarm, task);
  await swarm.question();
  for (let i = 0; i < 60; i++) await swarm.clock.advance(100);
  await expect(late.first).rejects.toThrow('the node does not know of a manager yet: try again');
  operator.leave();
});

test('exec - an operator who goes ends the node’s call, also when the node takes nothing', async () => {
  const { operator, node } = await joined();
  await node.requests.next();
  for (let i = 0; i < 100; i++) operator.messages.push(typed('x'.repeat(10_000)));
  operator.leave();
  const end = async () => {
    for (let next = await node.requests.next(); !next.done; next = await node.requests.next());
  };
  await expect(end()).rejects.toMatchObject({ code: 'CANCELLED' });
});

test('exec - the operator is read no further than the node takes', async () => {
  const swarm = await serveTunnels();
  const one = await swarm.node('one');
  const task = await swarm.task(one.id);
  let read = 0;
  const source = async function* () {
    yield opening(task);
    for (; read < 500; read++) yield typed('x'.repeat(10_000));
  };
  const exit = swarm.operator.exec(source())[Symbol.asyncIterator]().next();
  const node = one.come((await swarm.question()).tunnelId);
  let taken = 0;
  const taking = (async () => {
    for (let next = await node.requests.next(); !next.value.end; next = await node.requests.next()) taken++;
  })();
  await untilIdle(() => read);
  expect(taken).toBe(8);
  expect(read).toBeLessThan(300);
  node.answers.push(TunnelAnswer.create({ taken: 493 }));
  await taking;
  expect(taken).toBe(501);
  node.answers.push(exited(0), ended());
  expect((await exit).value.exited.code).toBe(0);
});

test('exec - the node is read no further than the operator takes', async () => {
  const { operator, node } = await joined();
  await node.requests.next();
  let sent = 0;
  for (; sent < 800; sent++) node.answers.push(printed('x'.repeat(10_000)));
  await operator.first;
  await untilIdle(() => node.answers.length);
  expect(node.answers.length).toBeGreaterThan(400);
  node.answers.push(exited(0), ended());
  let count = 1;
  for (let next = await operator.answers.next(); !next.done; next = await operator.answers.next()) count++;
  expect(count).toBe(sent + 1);
});

test('exec - a node that is cut off in the middle is named', async () => {
  const { operator, node } = await joined();
  await node.requests.next();
  node.leave();
  await expect(operator.first).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: 'node one was cut off in the middle of exec',
  });
});

test('exec - tasks that do not run, and nodes that are down, are named with the reason', async () => {
  const swarm = await serveTunnels();
  const waiting = await swarm.task('', TaskState.PENDING, { error: 'no suitable node' });
  await expect(exec(swarm, waiting).first).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: `task web.1.${waiting} is not running: it is pending (no suitable node)`,
  });
  const down = await swarm.node('down', NodeState.DOWN);
  const lost = await swarm.task(down.id);
  await expect(exec(swarm, lost).first).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: `node down of task web.1.${lost} is down`,
  });
  await expect(exec(swarm, 'nothing').first).rejects.toMatchObject({ code: 'NOT_FOUND', value: 'nothing' });
});

test('cp - from a task that has ended, and to it', async () => {
  const swarm = await serveTunnels();
  const one = await swarm.node('one');
  const task = await swarm.task(one.id, TaskState.COMPLETE);
  const from = swarm.operator.copyFrom(CopyFromRequest.create({ ref: task, path: '/f' }))[Symbol.asyncIterator]();
  const first = from.next();
  const reading = one.come((await swarm.question()).tunnelId);
  expect((await reading.requests.next()).value.copyFrom.path).toBe('/f');
  reading.answers.push(TunnelAnswer.create({ copyFrom: { stat: undefined, data: Buffer.from('tar') } }), ended());
  expect(Buffer.from((await first).value.data).toString()).toBe('tar');
  expect((await from.next()).done).toBe(true);

  const messages = new AsyncQueue<CopyToRequest>();
  messages.push(CopyToRequest.create({ ref: task, path: '/d' }));
  messages.end();
  const to = swarm.operator.copyTo(messages);
  const writing = one.come((await swarm.question()).tunnelId);
  expect((await writing.requests.next()).value.copyTo.path).toBe('/d');
  expect((await writing.requests.next()).value.end).toBe(true);
  writing.answers.push(TunnelAnswer.create({ copyTo: {} }), ended());
  await to;
  expect((await writing.requests.next()).done).toBe(true);
});
