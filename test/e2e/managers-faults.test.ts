import { afterEach, beforeAll, expect, test } from 'vitest';
import { nodeOf, runningTasks, tsswarm } from '../../demo/cli.js';
import { say, until } from '../../demo/steps.js';
import { Load } from '../../demo/traffic.js';
import { addressOf, IMAGE, onNode, useLab } from './lab.js';
import {
  mend,
  networksSeenBy,
  removeOthers,
  signalDaemon,
  succeed,
  untilAnotherLeads,
  untilSettled,
} from './managers.js';
import { nothingRestarted } from './servers.js';

// A daemon that starts slowly on a busy machine is not to lose its tasks.
useLab(5, '--managers', '3', '--dispatcher-heartbeat', '5s');

const MANAGERS = [1, 2, 3];
const NODES = [1, 2, 3, 4, 5];
const PORT = 8080;
const REPLICAS = 6;
let load: Load | undefined;

beforeAll(async () => {
  const create = ['service', 'create', '--quiet', '--name', 'web', '--replicas', String(REPLICAS)];
  await tsswarm(...create, '--publish', `${PORT}:80`, IMAGE);
});

afterEach(async () => {
  await load?.stop();
  load = undefined;
  await mend(NODES);
  await untilSettled(MANAGERS);
  await removeOthers(1, ['web']);
  await until('all tasks run', 30, async () => (await runningTasks('web')).length === REPLICAS || undefined);
});

async function startLoad(nodes: readonly number[]): Promise<Load> {
  load = new Load(nodes.map((node) => `http://${addressOf(node)}:${PORT}/`));
  await moreSamples(load, 20);
  return load;
}

async function moreSamples({ samples }: Load, count: number): Promise<void> {
  const target = samples.length + count;
  await until(`${count} more requests`, 30, async () => samples.length >= target || undefined);
}

const others = (node: number) => MANAGERS.filter((other) => other !== node);
const creation = (name: string) => ['network', 'create', '--driver', 'overlay', name];
const write = (node: number, name: string) => succeed(node, ...creation(name));

/** All managers have all that was acknowledged. */
async function nothingLost(names: readonly string[]): Promise<void> {
  for (const node of MANAGERS) expect(await networksSeenBy(node)).toEqual(expect.arrayContaining([...names]));
}

test('kill -9 of the leader - another manager carries out the next command, no request is lost, it catches up', async () => {
  const leader = await untilSettled(MANAGERS);
  const [a = 0, b = 0] = others(leader);
  await nothingRestarted('web', REPLICAS, async () => {
    const requests = await startLoad(NODES);
    await write(leader, 'before');
    await tsswarm('lab', 'kill', `node${leader}`);
    const killed = performance.now();
    await write(a, 'after');
    say(`the next command was done ${Math.round(performance.now() - killed)} ms after the leader was killed`);
    expect(await networksSeenBy(b)).toEqual(expect.arrayContaining(['before', 'after']));
    await moreSamples(requests, 50);
    await tsswarm('lab', 'start', `node${leader}`);
    await untilSettled(MANAGERS);
    await nothingLost(['before', 'after']);
    await moreSamples(requests, 50);
    expect(requests.failures).toEqual([]);
  });
});

test('the leader freezes - another one leads; let go, it follows, and nothing that was acknowledged is lost', async () => {
  const leader = await untilSettled(MANAGERS);
  const [a = 0, b = 0] = others(leader);
  const requests = await startLoad([a, b, 4, 5]);
  await write(leader, 'before');
  signalDaemon(nodeOf(leader), 'SIGSTOP');
  // Asked while nobody knows yet that the leader does not answer.
  await write(a, 'meanwhile');
  await untilAnotherLeads(leader, [a, b]);
  const late = onNode(leader, ...creation('late'));
  await write(b, 'other');
  signalDaemon(nodeOf(leader), 'SIGCONT');
  const acknowledged = ['before', 'meanwhile', 'other'];
  if ((await late).code === 0) acknowledged.push('late');
  await untilSettled(MANAGERS);
  await nothingLost(acknowledged);
  await moreSamples(requests, 50);
  expect(requests.failures).toEqual([]);
});

test('the leader is cut off - it says whom it cannot reach, the others go on; healed, it follows', async () => {
  const leader = await untilSettled(MANAGERS);
  const [a = 0, b = 0] = others(leader);
  await tsswarm('lab', 'partition', `node${leader}`);
  await write(a, 'majority');
  await untilAnotherLeads(leader, [a, b]);
  const refusals = await until('the one that is cut off knows it', 30, async () => {
    const commands = [creation('minority'), ['service', 'ls']].map((command) => onNode(leader, ...command));
    const refused = await Promise.all(commands);
    return refused.every(({ stderr }) => stderr.includes(addressOf(a))) ? refused : undefined;
  });
  for (const { code, stderr } of refusals) {
    expect(stderr).toContain('2 of its 3 managers cannot be reached from here');
    expect(stderr).toContain(addressOf(b));
    expect(code).toBe(1);
  }
  await tsswarm('lab', 'heal', `node${leader}`);
  await untilSettled(MANAGERS);
  for (const node of MANAGERS) expect(await networksSeenBy(node)).not.toContain('minority');
  await nothingLost(['majority']);
});

test('the leader is heard no more, but hears - another one leads, and it follows when it is heard again', async () => {
  const leader = await untilSettled(MANAGERS);
  const [a = 0, b = 0] = others(leader);
  await tsswarm('lab', 'partition', '--one-way', `node${leader}`);
  await write(a, 'unheard');
  await untilAnotherLeads(leader, [a, b]);
  await tsswarm('lab', 'heal', `node${leader}`);
  await untilSettled(MANAGERS);
  await nothingLost(['unheard']);
});

test('two of three managers are gone - the third says which and what to do, services answer, one that returns is enough', async () => {
  const leader = await untilSettled(MANAGERS);
  const [left = 0, gone = 0] = others(leader);
  await nothingRestarted('web', REPLICAS, async () => {
    const requests = await startLoad(NODES);
    await Promise.all([leader, gone].map((node) => tsswarm('lab', 'kill', `node${node}`)));
    const commands = [['service', 'ls'], creation('refused')].map((command) => onNode(left, ...command));
    for (const { code, stderr } of await Promise.all(commands)) {
      expect(stderr).toContain('The swarm does not have a leader: 2 of its 3 managers cannot be reached from here');
      for (const node of [leader, gone]) expect(stderr).toContain(`${addressOf(node)}:2377`);
      expect(stderr).toContain('Services that run go on running');
      expect(stderr).toContain('Start them again');
      expect(stderr).toContain('init --force-new-cluster');
      expect(code).toBe(1);
    }
    await moreSamples(requests, 50);
    await tsswarm('lab', 'start', `node${gone}`);
    await write(left, 'two-of-three');
    await tsswarm('lab', 'start', `node${leader}`);
    await untilSettled(MANAGERS);
    for (const node of MANAGERS) expect(await networksSeenBy(node)).not.toContain('refused');
    await nothingLost(['two-of-three']);
    expect(requests.failures).toEqual([]);
  });
});

test('kill -9 of all daemons at once - the same services in the same containers, no request is lost', async () => {
  await untilSettled(MANAGERS);
  await nothingRestarted('web', REPLICAS, async () => {
    const requests = await startLoad(NODES);
    await write(2, 'kept');
    await Promise.all(NODES.map((node) => tsswarm('lab', 'kill', `node${node}`)));
    await moreSamples(requests, 50);
    await mend(NODES);
    await untilSettled(MANAGERS);
    await nothingLost(['kept']);
    await moreSamples(requests, 50);
    expect(requests.failures).toEqual([]);
  });
});
