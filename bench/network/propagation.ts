import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { netnsFile, nodeOf } from '../../demo/cli.js';
import { addressOf } from '../../lib/ip.js';
import { ControlService, Filter, ListTasksRequest, type Task, TaskState } from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { importPrograms } from '../image.js';
import { keep, run, table } from '../run.js';
import { until } from '../swarm.js';
import { CLI } from '../ts-swarm.js';

const NODES = 10;
const ENDPOINTS = 40;
const PATIENCE = 20_000;
const NETWORK = 'spread';

/**
 * A new endpoint on one node, until every other node's kernel has its neighbour entry, as `ip -ts monitor neigh`
 * tells: from the moment at which the manager made the task, so with allocation, scheduling and all.
 */
export async function propagation(): Promise<void> {
  run(CLI, ['lab', 'up', '--nodes', String(NODES)]);
  const channel = new Channel(nodeOf(1).host);
  const monitors: NeighbourMonitor[] = [];
  try {
    importPrograms('bench-sleep:1', ['/bin/busybox'], {});
    run(CLI, ['network', 'create', '-d', 'overlay', NETWORK]);
    const sleeper = ['--network', NETWORK, 'bench-sleep:1', '/bin/busybox', 'sleep', '86399'];
    run(CLI, ['service', 'create', '--quiet', '--name', 'everywhere', '--mode', 'global', ...sleeper]);
    const id = run(CLI, ['network', 'inspect', '--format', '{{.Id}}', NETWORK]).trim();
    for (let node = 1; node <= NODES; node++) {
      const nodeId = run(CLI, ['node', 'inspect', '--format', '{{.ID}}', `node${node}`]).trim();
      monitors.push(new NeighbourMonitor(node, nodeId, id));
    }
    run(CLI, ['service', 'create', '--quiet', '--detach', '--name', 'one', '--replicas', '0', ...sleeper]);
    const delays: number[] = [];
    for (let i = 1; i <= ENDPOINTS; i++) delays.push(...(await spreadOfNext(channel, monitors, i)));
    delays.sort((a, b) => a - b);
    const at = (q: number) => delays[Math.min(delays.length - 1, Math.floor(q * delays.length))] ?? Number.NaN;
    const figures = { nodes: NODES, endpoints: ENDPOINTS, milliseconds: { p50: at(0.5), p99: at(0.99), max: at(1) } };
    console.log(
      table([
        ['task made → neighbour entry on another node', 'p50', 'p99', 'max'],
        [`${NODES} nodes`, ...Object.values(figures.milliseconds).map((ms) => `${ms.toFixed(0)} ms`)],
      ]),
    );
    keep('network-propagation', figures);
  } finally {
    channel.close();
    for (const monitor of monitors) monitor.close();
    run(CLI, ['lab', 'down']);
  }
}

/** Milliseconds until each other node had an entry of the task that makes the service `replicas` large. */
async function spreadOfNext(
  channel: Channel,
  monitors: readonly NeighbourMonitor[],
  replicas: number,
): Promise<readonly number[]> {
  run(CLI, ['service', 'scale', '--detach', `one=${replicas}`]);
  const newest = await runningTask(channel, replicas);
  const address = addressOf(newest.networks[0]?.addresses[0] ?? '');
  const elsewhere = monitors.filter(({ nodeId }) => nodeId !== newest.nodeId);
  const delays: number[] = [];
  for (const monitor of elsewhere) {
    await until(() => monitor.seen.has(address), PATIENCE, `the entry of ${address} on node${monitor.node}`);
    delays.push((monitor.seen.get(address) ?? 0) - newest.meta.createdAt);
  }
  return delays;
}

async function runningTask(channel: Channel, replicas: number): Promise<Task> {
  const request = ListTasksRequest.create({ filters: [Filter.create({ key: 'service', values: ['one'] })] });
  const control = channel.stubs(ControlService);
  let running: readonly Task[] = [];
  await until(
    async () => {
      const { tasks } = await control.listTasks(request);
      running = tasks.filter(({ status }) => status.state === TaskState.RUNNING);
      return running.length === replicas;
    },
    PATIENCE,
    `${replicas} tasks`,
  );
  return running.reduce((a, b) => (a.meta.createdAt > b.meta.createdAt ? a : b));
}

/** When neighbour entries appeared in a node's part of an overlay. */
class NeighbourMonitor {
  readonly node: number;
  readonly nodeId: string;
  /** Milliseconds since the epoch, by address. */
  readonly seen = new Map<string, number>();
  readonly #process;

  constructor(node: number, nodeId: string, network: string) {
    this.node = node;
    this.nodeId = nodeId;
    const space = netnsFile(`node${node}`, `1-${network.slice(0, 10)}`);
    // -ts: each event is preceded by `[2026-01-01T10:00:00.123456] `, local time.
    const args = [`--net=${space}`, 'ip', '-ts', 'monitor', 'neigh'];
    this.#process = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const [, time, address] = /^\[([^\]]+)\] (\S+) dev vxlan0 lladdr \S+ PERMANENT/.exec(line) ?? [];
      if (time !== undefined && address !== undefined) this.seen.set(address, Date.parse(time));
    });
  }

  close(): void {
    this.#process.kill();
  }
}
