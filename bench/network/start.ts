import { readdirSync } from 'node:fs';
import path from 'node:path';
import { nodeOf } from '../../demo/cli.js';
import { ContainerConfig, ContainerNetwork, ContainerSpec, ContainersService } from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { importPrograms } from '../image.js';
import { keep, median, run, runAsync, table } from '../run.js';
import { until } from '../swarm.js';
import { CLI } from '../ts-swarm.js';

const ROUNDS = 20;
const NETNS = path.join(nodeOf(1).runRoot, 'netns');
const NETWORKS = ['none', 'bridge', 'attached'] as const;

/**
 * A container that runs `true` and is removed, by its networks: by the daemon's own calls (create, start, wait,
 * remove), the part up to its start, and by the command line with its own start-up. In turns.
 */
export async function start(): Promise<void> {
  run(CLI, ['lab', 'up', '--nodes', '1']);
  const channel = new Channel(nodeOf(1).host);
  try {
    importPrograms('bench-true:1', ['/bin/busybox'], {});
    run(CLI, ['network', 'create', '-d', 'overlay', '--attachable', 'attached']);
    const before = new Set(readdirSync(NETNS));
    const figures = Object.fromEntries(
      NETWORKS.map((name) => [name, { started: [], gone: [], command: [] } as Figures]),
    );
    for (let round = 0; round <= ROUNDS; round++) {
      // The kernel takes namespaces down in its own time, which is then that of whoever comes next.
      for (const name of [...NETWORKS.slice(round % NETWORKS.length), ...NETWORKS.slice(0, round % NETWORKS.length)]) {
        const once = await oneContainer(channel, name);
        await quiet(before);
        const command = await timed(() =>
          runAsync(CLI, ['run', '--rm', '--network', name, 'bench-true:1', '/bin/busybox', 'true']),
        );
        await quiet(before);
        // The first of each fills caches.
        if (round === 0) continue;
        figures[name]?.started.push(once.started);
        figures[name]?.gone.push(once.gone);
        figures[name]?.command.push(command);
      }
    }
    const ms = (values: readonly number[]) => `${median(values).toFixed(0)} ms`;
    console.log(
      table([
        ['run true on', 'until started', 'until removed', 'tsswarm run --rm'],
        ...Object.entries(figures).map(([name, f]) => [name, ms(f.started), ms(f.gone), ms(f.command)]),
      ]),
    );
    keep('network-start', { rounds: ROUNDS, milliseconds: figures });
  } finally {
    channel.close();
    run(CLI, ['lab', 'down']);
  }
}

/** Until the networks of the container before are gone too: that follows its removal, and is not the next one's time. */
async function quiet(before: ReadonlySet<string>): Promise<void> {
  const areGone = () => readdirSync(NETNS).every((name) => before.has(name));
  await until(areGone, 5_000, 'the last sandbox is gone, and its overlay');
}

interface Figures {
  readonly started: number[];
  readonly gone: number[];
  readonly command: number[];
}

/** Milliseconds until its process was started, and until nothing of it was left. */
async function oneContainer(channel: Channel, network: string): Promise<{ started: number; gone: number }> {
  const containers = channel.stubs(ContainersService);
  const config = ContainerConfig.create({
    container: ContainerSpec.create({ image: 'bench-true:1', args: ['/bin/busybox', 'true'] }),
    networks: [ContainerNetwork.create({ network })],
  });
  let started = 0;
  const gone = await timed(async () => {
    const begin = performance.now();
    const { id } = await containers.createContainer({ config });
    await containers.startContainer({ ref: id });
    started = performance.now() - begin;
    const { exitCode } = await containers.waitContainer({ ref: id });
    if (exitCode !== 0) throw new Error(`true ended with ${exitCode}`);
    await containers.removeContainer({ ref: id, force: false, volumes: false });
  });
  return { started, gone };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}
