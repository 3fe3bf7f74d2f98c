import path from 'node:path';
import { createInterface } from 'node:readline';
import { prepareGround, runHere, runInMachine } from '../../test/vm/machine.js';
import { needPrograms } from '../nginx.js';
import { keep, median, root, table } from '../run.js';
import type { WrkFigures } from '../wrk.js';

/** What is measured in the virtual machine. */
export interface MeshPlan {
  readonly systems: readonly ('docker' | 'ipvs' | 'nft')[];
  /** Each system is started anew in each. */
  readonly rounds: number;
  /** How often each thing is measured in a round: little beside the start of a system. */
  readonly runs: number;
  /** Of one run of wrk. */
  readonly seconds: number;
}

export interface MeshFigures {
  readonly runs: readonly {
    readonly system: string;
    /** By path (local, remote) and kind (keepAlive, fresh, large), one for each run of wrk. */
    readonly paths: Readonly<Record<string, Readonly<Record<string, readonly WrkFigures[]>>>>;
  }[];
}

const PLAN: MeshPlan = { systems: ['docker', 'ipvs', 'nft'], rounds: 1, runs: 3, seconds: 3 };

/**
 * The routing mesh against that of a real Docker Swarm, which needs IPVS: on a kernel that has it, in a virtual
 * machine where this one's has not. Both have two nodes, one nginx task and the same client.
 * TSSWARM_BENCH_MESH may change the plan, as JSON: {"systems":["docker","nft"],"runs":1}; the figures
 * of such a run are shown, and not kept: they are no match for those of the whole one.
 */
export async function meshDocker(): Promise<void> {
  needPrograms({ wrk: 'wrk', nginx: 'nginx-light', dockerd: 'docker.io', iptables: 'iptables' });
  const changes = process.env.TSSWARM_BENCH_MESH;
  const plan: MeshPlan = { ...PLAN, ...(JSON.parse(changes ?? '{}') as Partial<MeshPlan>) };
  const ground = await prepareGround(root);
  if (ground.kind === 'none') throw new Error(`no kernel for this comparison: ${ground.reason}`);
  const inside = path.join(root, 'dist/bench/mesh-docker/inside.js');
  // Mounts of its own, for it covers folders of the machine.
  const command = ['unshare', '--mount', process.execPath, inside, JSON.stringify(plan)] as const;
  const what = { command, cwd: root, env: process.env };
  const program = ground.kind === 'machine' ? runInMachine(ground.folder, what, { memory: '4G' }) : runHere(what);
  let figures: MeshFigures | undefined;
  for await (const line of createInterface({ input: program.output })) {
    if (line.startsWith('{')) figures = JSON.parse(line) as MeshFigures;
    else console.log(line);
  }
  const words = await program.ended;
  if (figures) console.log(render(figures));
  if (figures?.runs.length !== plan.rounds * plan.systems.length)
    throw new Error(`the comparison came to no end:\n${words}`);
  if (changes === undefined) keep('mesh-docker', { ...plan, kernel: ground.kind, ...figures });
}

type Figure = (figures: WrkFigures) => number;

const KINDS: readonly (readonly [title: string, kind: string, figure: Figure, unit: string, digits: number])[] = [
  ['keep-alive', 'keepAlive', (f) => f.requestsPerSecond, '/s', 0],
  ['p99', 'keepAlive', (f) => f.p99, ' ms', 1],
  ['new connections', 'fresh', (f) => f.requestsPerSecond, '/s', 0],
  ['p99', 'fresh', (f) => f.p99, ' ms', 1],
  ['throughput', 'large', (f) => f.bytesPerSecond / 1e6, ' MB/s', 1],
];

/** Medians of all runs, each with its ratio to the first system. */
function render({ runs }: MeshFigures): string {
  const systems = [...new Set(runs.map(({ system }) => system))];
  const rows = Object.keys(runs[0]?.paths ?? {}).flatMap((name) =>
    systems.map((system) => [
      `${system}, ${name}`,
      ...KINDS.map(([, kind, figure, unit, digits]) => {
        const of = (which: string) =>
          median(
            runs.flatMap((each) => {
              const figures = each.system === which ? each.paths[name]?.[kind] : undefined;
              return figures?.map(figure) ?? [];
            }),
          );
        const value = of(system);
        return `${value.toFixed(digits)}${unit} (${(value / of(systems[0] ?? '')).toFixed(2)})`;
      }),
    ]),
  );
  return table([['', ...KINDS.map(([title]) => title)], ...rows]);
}
