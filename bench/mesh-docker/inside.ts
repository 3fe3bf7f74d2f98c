/**
 * What runs in the virtual machine: each system in turn, several times, and what wrk measures of each. Tells on
 * descriptor 3 what it does, a line each time, and after each system all figures so far as JSON.
 */
import { mkdirSync, writeSync } from 'node:fs';
import { inNetns, run, runAsync } from '../run.js';
import { type WrkFigures, wrk } from '../wrk.js';
import { DockerMesh } from './docker.js';
import type { MeshFigures, MeshPlan } from './mesh-docker.js';
import { ANSWER, type MeshSystem } from './system.js';
import { TsswarmMesh } from './tsswarm.js';

/** Docker sets parameters of IPVS in a namespace before the kernel would load it by itself. */
run('modprobe', ['-a', 'ip_vs', 'ip_vs_rr', 'xt_ipvs']);
/** Where containers' layers are: an overlay, as / is here, cannot be the upper layer of another. */
for (const folder of ['/var/tmp', '/var/lib/tsswarm', '/var/lib/docker', '/var/lib/containerd']) {
  mkdirSync(folder, { recursive: true });
  run('mount', ['-t', 'tmpfs', 'tmpfs', folder]);
}

const plan = JSON.parse(process.argv[2] ?? '') as MeshPlan;
const start = performance.now();
const seconds = () => ((performance.now() - start) / 1000).toFixed(0).padStart(5);
const tell = (line: string) => writeSync(3, `${line}\n`);
const say = (words: string) => tell(`${seconds()} s  ${words}`);

/** One curl that asks again and again: the start of each would take from a daemon that starts, too. */
async function firstAnswer(client: string, url: string): Promise<void> {
  const retry = [
    '--retry',
    '1000000',
    '--retry-all-errors',
    '--retry-delay',
    '2',
    '--retry-max-time',
    `${ANSWER / 1000}`,
  ];
  const answer = await runAsync(...inNetns(client, 'curl', '-sSf', '--max-time', '10', ...retry, url));
  if (answer !== 'ok\n') throw new Error(`${url} answered ${JSON.stringify(answer)}`);
}

const KINDS = {
  keepAlive: { path: '' },
  fresh: { path: '', close: true },
  large: { path: 'large', connections: 4 },
} as const;

async function measure(system: MeshSystem): Promise<MeshFigures['runs'][number]> {
  const { client, paths } = system;
  const entries: [string, Record<keyof typeof KINDS, WrkFigures[]>][] = [];
  for (const [name, url] of Object.entries(paths)) {
    await firstAnswer(client, url).catch(async (error: Error) => {
      throw new Error(`${system.name}, ${name}: ${error.message}\n${await system.explain()}`);
    });
    say(`${system.name}, ${name}: answers`);
    const figures = { keepAlive: [], fresh: [], large: [] } as Record<keyof typeof KINDS, WrkFigures[]>;
    // In turn: what disturbs the machine for a while disturbs one run of each.
    for (let run = 0; run < plan.runs; run++) {
      for (const kind of ['keepAlive', 'fresh', 'large'] as const) {
        const { path, ...options } = KINDS[kind];
        figures[kind].push(await wrk(client, `${url}${path}`, { seconds: plan.seconds, ...options }));
      }
    }
    entries.push([name, figures]);
    say(`${system.name}, ${name}: measured`);
  }
  return { system: system.name, paths: Object.fromEntries(entries) };
}

const runs: MeshFigures['runs'][number][] = [];
for (let round = 0; round < plan.rounds; round++) {
  for (const name of plan.systems) {
    const system = name === 'docker' ? new DockerMesh() : new TsswarmMesh(name);
    say(`${system.name}: starting`);
    try {
      await system.up((words) => say(`${system.name}: ${words}`));
      say(`${system.name}: up`);
      runs.push(await measure(system));
      tell(JSON.stringify({ runs } satisfies MeshFigures));
    } finally {
      await system.down();
    }
  }
}
