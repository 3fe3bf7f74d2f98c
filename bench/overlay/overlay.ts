import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { LAB, netnsFile, nodeOf } from '../demo/cli.js';
import { namespaceFile } from '../lab/layout.js';
import { addressOf } from '../lib/ip.js';
import { ControlService, Filter, ListTasksRequest, TaskState } from '../proto/gen/index.js';
import { Channel } from '../proto/rpc/client.js';
import { HandmadeOverlay } from './handmade-overlay.js';
import { importPrograms } from './image.js';
import { have, keep, median, run, runAsync, table } from './run.js';
import { CLI, labAddress } from './ts-swarm.js';

const ROUNDS = 5;
const SECONDS = 2;

/** Two ends of a path: files of network namespaces, and the address of the server's end. */
export interface PathEnds {
  readonly server: string;
  readonly client: string;
  readonly address: string;
}

/**
 * One TCP stream (iperf3) between tasks on two nodes, against the same made by hand with `ip` and
 * `bridge` (VXLAN, bridge, veth, permanent entries), and against the bare underlay. In turns.
 */
export async function overlay(): Promise<void> {
  if (!have('iperf3')) throw new Error('the comparison needs iperf3: apt-get install iperf3');
  const byHand = new HandmadeOverlay();
  run(CLI, ['lab', 'up', '--nodes', '3']);
  try {
    importPrograms('bench-sleep:1', ['/bin/busybox'], {});
    run(CLI, ['network', 'create', '-d', 'overlay', 'bench']);
    run(CLI, [
      'service',
      'create',
      '--name',
      'ends',
      '--mode',
      'global',
      '--network',
      'bench',
      'bench-sleep:1',
      '/bin/busybox',
      'sleep',
      '86399',
    ]);
    byHand.up();
    const paths: Record<string, PathEnds> = {
      'tsswarm overlay': await taskEnds(),
      'hand-made VXLAN': byHand.ends(),
      'bare underlay': {
        server: namespaceFile(LAB, 'node1'),
        client: namespaceFile(LAB, 'node2'),
        address: labAddress('node1'),
      },
    };
    const figures: Record<string, number[]> = Object.fromEntries(Object.keys(paths).map((name) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, ends] of Object.entries(paths)) figures[name]?.push(await bitsPerSecond(ends));
    }
    const base = median(figures['hand-made VXLAN'] ?? []);
    const rows = Object.entries(figures).map(([name, values]) => [
      name,
      `${(median(values) / 1e9).toFixed(1)} Gb/s`,
      (median(values) / base).toFixed(2),
    ]);
    console.log(table([['', 'one TCP stream', '× hand-made'], ...rows]));
    keep('overlay', { medianOf: ROUNDS, seconds: SECONDS, bitsPerSecond: figures });
  } finally {
    byHand.down();
    run(CLI, ['lab', 'down']);
  }
}

async function taskEnds(): Promise<PathEnds> {
  const channel = new Channel(nodeOf(1).host);
  try {
    const control = channel.stubs(ControlService);
    const filters = [Filter.create({ key: 'service', values: ['ends'] })];
    const { tasks } = await control.listTasks(ListTasksRequest.create({ filters }));
    const running = tasks.filter((task) => task.status.state === TaskState.RUNNING);
    const nodes = new Map(
      (await control.listNodes({ filters: [] })).nodes.map((node) => [node.id, node.description.hostname]),
    );
    const on = (hostname: string) => {
      const task = running.find((t) => nodes.get(t.nodeId) === hostname);
      if (!task) throw new Error(`no running task on ${hostname}`);
      return task;
    };
    const [server, client] = [on('node1'), on('node2')];
    const address = server.networks.find((network) => network.networkName === 'bench')?.addresses[0];
    if (address === undefined) throw new Error('the task has no address');
    return {
      server: netnsFile('node1', server.id),
      client: netnsFile('node2', client.id),
      address: addressOf(address),
    };
  } finally {
    channel.close();
  }
}

async function bitsPerSecond({ server, client, address }: PathEnds): Promise<number> {
  const listening = spawn('nsenter', [`--net=${server}`, 'iperf3', '--server', '--one-off', '--forceflush'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => listening.stdout.once('data', resolve));
  for (let attempt = 0; ; attempt++) {
    try {
      const out = await runAsync('nsenter', [
        `--net=${client}`,
        'iperf3',
        '--client',
        address,
        '--time',
        String(SECONDS),
        '--json',
      ]);
      return (JSON.parse(out) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received
        .bits_per_second;
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(50); // iperf3 prints its banner a moment before it accepts
    }
  }
}
