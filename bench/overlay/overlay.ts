import { LAB } from '../../demo/cli.js';
import { namespaceFile } from '../../lab/layout.js';
import { DockerSwarm } from '../docker-swarm.js';
import { have, keep, median, run, runAsync, table } from '../run.js';
import { TASK_COMMAND, until } from '../swarm.js';
import { CLI, labAddress, TsSwarm } from '../ts-swarm.js';
import { HandmadeOverlay } from './handmade-overlay.js';
import { bitsPerSecond, type PathEnds } from './path-ends.js';
import { dockerEnds, taskEnds } from './task-ends.js';

const ROUNDS = 5;
const SECONDS = 2;
/** Milliseconds for two tasks to run. */
const ENDS_WITHIN_MS = 60_000;
/** What else is on the machine the second time. */
const CROWD = { networks: 50, replicas: 10 } as const;
const CROWD_WITHIN_MS = 300_000;

/**
 * One TCP stream (iperf3) between tasks on two nodes, against the same in a Docker Swarm, made by hand with `ip` and
 * `bridge` (VXLAN, bridge, veth, permanent entries), and against the bare underlay. In turns; and once more, without
 * Docker, among 50 networks with 500 containers.
 */
export async function overlay(): Promise<void> {
  for (const program of ['iperf3', 'dockerd'])
    if (!have(program)) throw new Error(`the comparison needs ${program}: apt-get install iperf3 docker.io`);
  const byHand = new HandmadeOverlay();
  const docker = new DockerSwarm({ nodes: 2 });
  const swarm = new TsSwarm();
  try {
    await swarm.up();
    byHand.up();
    await swarm.createNetwork('bench');
    const global = ['service', 'create', '--name', 'ends', '--mode', 'global', '--network', 'bench'];
    run(CLI, [...global, 'bench:1', ...TASK_COMMAND]);
    const paths: Record<string, PathEnds> = {
      'tsswarm overlay': await taskEnds('ends', 'bench'),
      'hand-made VXLAN': byHand.ends(),
      'bare underlay': {
        server: namespaceFile(LAB, 'node1'),
        client: namespaceFile(LAB, 'node2'),
        address: labAddress('node1'),
      },
    };
    const figures = await measure({ 'Docker Swarm overlay': await endsOf(docker), ...paths });
    await docker.down();
    show('one TCP stream', figures);
    await crowd();
    const crowded = await measure(paths);
    show(`among ${CROWD.networks} networks, ${CROWD.networks * CROWD.replicas} containers`, crowded);
    keep('overlay', { medianOf: ROUNDS, seconds: SECONDS, crowd: CROWD, bitsPerSecond: figures, crowded });
  } finally {
    byHand.down();
    await docker.down();
    await swarm.down();
  }
}

type Figures = Readonly<Record<string, readonly number[]>>;

/** Bits per second on each path, in turns. */
async function measure(paths: Readonly<Record<string, PathEnds>>): Promise<Figures> {
  const figures: Record<string, number[]> = Object.fromEntries(Object.keys(paths).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, ends] of Object.entries(paths)) figures[name]?.push(await bitsPerSecond(ends, SECONDS));
  }
  return figures;
}

function show(what: string, figures: Figures): void {
  const base = median(figures['hand-made VXLAN'] ?? []);
  const rows = Object.entries(figures).map(([name, values]) => {
    const middle = median(values);
    return [name, `${(middle / 1e9).toFixed(1)} Gb/s`, (middle / base).toFixed(2)];
  });
  console.log(table([['', what, '× hand-made'], ...rows]));
}

async function endsOf(docker: DockerSwarm): Promise<PathEnds> {
  await docker.up();
  await docker.createNetwork('bench');
  await docker.createService('ends', 2, 'bench');
  await until(async () => (await docker.running('ends')) === 2, ENDS_WITHIN_MS, 'two tasks of Docker run');
  return dockerEnds(docker, 'ends', 'bench');
}

/** Fills the swarm with networks, each with a service whose tasks are on all nodes. */
async function crowd(): Promise<void> {
  for (let n = 1; n <= CROWD.networks; n++) {
    await runAsync(CLI, ['network', 'create', '-d', 'overlay', `crowd${n}`]);
    const how = ['--detach', '--name', `crowd${n}`, '--replicas', String(CROWD.replicas), '--network', `crowd${n}`];
    await runAsync(CLI, ['service', 'create', ...how, 'bench:1', ...TASK_COMMAND]);
  }
  const whole = `${CROWD.replicas}/${CROWD.replicas}`;
  const isThere = async () => {
    const lines = (await runAsync(CLI, ['service', 'ls', '--format', '{{.Name}} {{.Replicas}}'])).split('\n');
    return lines.filter((line) => line.startsWith('crowd') && line.endsWith(` ${whole}`)).length === CROWD.networks;
  };
  await until(isThere, CROWD_WITHIN_MS, 'all containers run');
}
