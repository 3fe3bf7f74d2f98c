/**
 * What runs in the virtual machine: each system in turn, several times, and what wrk measures of each. Tells on
 * descriptor 3 what it does, a line each time, and at last the figures as JSON.
 */
import { mkdirSync, writeSync } from 'node:fs';
import { inNetns, run, runAsync } from '../run.js';
import { until } from '../swarm.js';
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

async function measure(system: MeshSystem): Promise<MeshFigures['runs'][number]> {
  const { client, paths } = system;
  const entries: [string, Record<string, WrkFigures>][] = [];
  for (const [name, url] of Object.entries(paths)) {
    const answers = () =>
      runAsync(...inNetns(client, 'curl', '-sf', '--max-time', '5', url)).then(
        (text) => text === 'ok\n',
        () => false,
      );
    await until(answers, ANSWER, `${system.name}, ${name}: an answer from ${url}`).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await system.explain()}`);
    });
    const { seconds } = plan;
    entries.push([
      name,
      {
        keepAlive: await wrk(client, url, { seconds }),
        fresh: await wrk(client, url, { seconds, close: true }),
        large: await wrk(client, `${url}large`, { seconds, connections: 4 }),
      },
    ]);
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
      await system.up();
      say(`${system.name}: up`);
      runs.push(await measure(system));
    } finally {
      await system.down();
    }
  }
}
tell(JSON.stringify({ runs } satisfies MeshFigures));
