import { expect, test } from 'vitest';
import { execAt, runningTasks, tsswarm, tsswarmOutcome, tsswarmRows } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { requests } from '../../demo/traffic.js';
import { addressOf, IMAGE, useLab } from './lab.js';
import { useServices } from './services.js';

// A daemon may take long to come back on a machine that does other things too: its tasks are to stay.
useLab(2, '--dispatcher-heartbeat', '10s');
const { create } = useServices();

interface Backend {
  readonly Node: string;
  readonly Task: string;
  readonly Address: string;
  readonly State: string;
  readonly ActiveConnections: number;
  readonly Connections: number;
  readonly PacketsIn: number;
  readonly PacketsOut: number;
  readonly BytesIn: number;
  readonly BytesOut: number;
}

interface Port {
  readonly Backends: readonly Backend[];
  readonly NotAnswered: readonly { readonly Node: string; readonly Reason: string }[];
}

async function inspect(port: number): Promise<Port> {
  const [found] = JSON.parse(await tsswarm('ingress', 'inspect', String(port), '--format', 'json')) as Port[];
  if (!found) throw new Error(`port ${port} is not shown`);
  // Tasks have an address of each family; what is sent here is of IPv4.
  return { ...found, Backends: found.Backends.filter(({ Address }) => !Address.includes(':')) };
}

/** As `node1 web.1`: how many. */
const connections = ({ Backends }: Port) =>
  Object.fromEntries(Backends.map(({ Node, Task, Connections }) => [`${Node} ${Task}`, Connections]));

/** Values of one metric on a node, by the task that it is of. */
async function metric(node: number, name: string): Promise<Readonly<Record<string, number>>> {
  const { code, stdout } = await execAt(`node${node}`, ['curl', '--silent', 'http://127.0.0.1:9323/metrics']);
  expect(code).toBe(0);
  const samples = stdout.matchAll(new RegExp(`^${name}\\{(.*)\\} (\\S+)$`, 'gm'));
  return Object.fromEntries(
    [...samples]
      .filter(([, labels = '']) => /port="8080".*address="[\d.]+"/.test(labels))
      .map(([, labels = '', value]) => [/task="([^"]*)"/.exec(labels)?.[1] ?? '', Number(value)]),
  );
}

test('what goes through a published port is counted by node and task, shown by commands and metrics alike, and kept', async () => {
  await create('web', '--replicas', '2', '--publish', '8080:80', IMAGE);
  expect(await runningTasks('web')).toHaveLength(2);
  await until('both nodes send to both tasks', 10, async () => {
    const states = (await inspect(8080)).Backends.map(({ State }) => State);
    return states.join() === 'serving,serving,serving,serving' || undefined;
  });
  expect(connections(await inspect(8080))).toEqual({
    'node1 web.1': 0,
    'node1 web.2': 0,
    'node2 web.1': 0,
    'node2 web.2': 0,
  });

  await requests(`http://${addressOf(1)}:8080/`, 20);
  await requests(`http://${addressOf(2)}:8080/`, 6);
  const counted = { 'node1 web.1': 10, 'node1 web.2': 10, 'node2 web.1': 3, 'node2 web.2': 3 };
  const shown = await inspect(8080);
  expect(connections(shown)).toEqual(counted);
  for (const { PacketsIn, PacketsOut, BytesIn, BytesOut, Connections } of shown.Backends) {
    expect(PacketsIn).toBeGreaterThanOrEqual(3 * Connections);
    expect(PacketsOut).toBeGreaterThanOrEqual(3 * Connections);
    expect(BytesIn).toBeGreaterThan(40 * PacketsIn);
    expect(BytesOut).toBeGreaterThan(40 * PacketsOut);
  }

  expect(await metric(1, 'tsswarm_ingress_connections_total')).toEqual({ 'web.1': 10, 'web.2': 10 });
  expect(await metric(2, 'tsswarm_ingress_connections_total')).toEqual({ 'web.1': 3, 'web.2': 3 });
  const bytes = await metric(1, 'tsswarm_ingress_transmit_bytes_total');
  const ofNode1 = shown.Backends.filter(({ Node }) => Node === 'node1');
  expect(bytes).toEqual(Object.fromEntries(ofNode1.map(({ Task, BytesOut }) => [Task, BytesOut])));

  const [row] = await tsswarmRows<Record<string, string>>('ingress', 'ls');
  expect(row).toMatchObject({ Published: '8080/tcp', Service: 'web', Mode: 'ingress', Serving: '2', Draining: '0' });

  await tsswarm('lab', 'stop', 'node2');
  await tsswarm('lab', 'start', 'node2');
  await until('node2 answers again', 20, async () => (await inspect(8080)).NotAnswered.length === 0 || undefined);
  expect(connections(await inspect(8080))).toEqual(counted);
});

test('nodes that do not answer are named, and a manager tells of the swarm', async () => {
  await create('web', '--publish', '8080:80', IMAGE);
  const manager = (await execAt('node1', ['curl', '--silent', 'http://127.0.0.1:9323/metrics'])).stdout;
  expect(manager).toContain('\ntsswarm_manager_leader 1\n');
  expect(manager).toContain('\ntsswarm_manager_nodes{state="ready"} 2\n');
  expect(Number(/^tsswarm_raft_term (\d+)$/m.exec(manager)?.[1])).toBeGreaterThan(0);
  expect(Number(/^tsswarm_raft_proposal_duration_seconds_count (\d+)$/m.exec(manager)?.[1])).toBeGreaterThan(0);
  await tsswarm('lab', 'stop', 'node2');
  try {
    const { code, stdout, stderr } = await tsswarmOutcome(['ingress', 'ls', '--quiet']);
    expect([code, stdout]).toEqual([0, '8080/tcp\n']);
    expect(stderr).toMatch(/^WARNING: node node2 /);
  } finally {
    await tsswarm('lab', 'start', 'node2');
  }
});
