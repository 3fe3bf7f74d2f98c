/** The plane of one node, in the network namespace that this program is started in. Asked over the IPC channel. */
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { createLogger } from '../../lib/log.js';
import { NetworkPlane } from '../../netlb/plane.js';
import { LargeSwarm } from './large-swarm.js';
import type { Answer, Cost, Request } from './messages.js';

const [runRoot = '', underlay = ''] = process.argv.slice(2);
if (runRoot === '' || underlay === '') throw new TypeError('usage: plane-process RUN-ROOT UNDERLAY');

const plane = await NetworkPlane.open({ runRoot, log: createLogger('error', 'plane') });
let swarm = new LargeSwarm(underlay, 1);

async function apply(): Promise<void> {
  const { problems } = await plane.apply(swarm.state);
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('\n'));
}

async function measured(work: () => Promise<unknown>): Promise<Cost> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: performance.now() - start, user: user / 1000, system: system / 1000 };
}

/**
 * As a node's daemon does it where nothing waits for a change: one pass at a time, each after the rest that the plane
 * asks for, with all that came meanwhile.
 */
async function churn(perSecond: number, seconds: number): Promise<number[]> {
  const delays: number[] = [];
  let asked: number[] = [];
  let applying: Promise<void> | undefined;
  const applyAll = async () => {
    while (asked.length > 0) {
      await after(plane.rest);
      const now = asked;
      asked = [];
      await apply();
      const done = performance.now();
      for (const time of now) delays.push(done - time);
    }
    applying = undefined;
  };
  const start = performance.now();
  for (let n = 0; n < perSecond * seconds; n++) {
    const due = start + (n * 1000) / perSecond;
    if (due > performance.now()) await after(due - performance.now());
    swarm.replace();
    asked.push(performance.now());
    applying ??= applyAll();
  }
  await applying;
  return delays;
}

async function answer(request: Request): Promise<Omit<Answer, 'passes'>> {
  switch (request.kind) {
    case 'make':
      await plane.destroy();
      swarm = new LargeSwarm(underlay, request.services);
      return { costs: [await measured(apply)], delays: [] };
    case 'change': {
      const costs: Cost[] = [];
      for (let i = 0; i < request.times; i++) {
        swarm.replace();
        costs.push(await measured(apply));
      }
      return { costs, delays: costs.map(({ wall }) => wall) };
    }
    case 'churn': {
      let delays: number[] = [];
      const cost = await measured(async () => {
        delays = await churn(request.perSecond, request.seconds);
      });
      return { costs: [cost], delays };
    }
    case 'look':
      return { costs: [await measured(() => plane.repair())], delays: [] };
    case 'end':
      await plane.destroy();
      return { costs: [], delays: [] };
  }
}

const stop = new AbortController();
// As in a daemon: drift is looked for meanwhile.
const watching = plane.run(stop.signal);
process.send?.({});
for (;;) {
  const [request] = (await once(process, 'message')) as [Request];
  const before = plane.figures.passes.count;
  const figures = await answer(request);
  process.send?.({ ...figures, passes: plane.figures.passes.count - before } satisfies Answer);
  if (request.kind === 'end') break;
}
stop.abort();
await watching;
process.disconnect();
