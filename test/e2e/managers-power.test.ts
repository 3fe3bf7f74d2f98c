import { afterEach, expect, test } from 'vitest';
import { tsswarm } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { NodeState } from '../../proto/gen/index.js';
import { IMAGE, useLab } from './lab.js';
import { mend, nodesSeenBy, succeed, untilSettled } from './managers.js';

// A short heartbeat: the time in which nodes find another leader must not hang on it.
useLab(6, '--managers', '5', '--dispatcher-heartbeat', '1s');

const MANAGERS = [1, 2, 3, 4, 5];
const NODES = [...MANAGERS, 6];

afterEach(() => mend(NODES));

/** Ids of the service's tasks that are to run, with their nodes. */
async function wantedTasks(manager: number): Promise<ReadonlyMap<string, string>> {
  const flags = ['--no-trunc', '--filter', 'desired-state=running', '--format', '{{.ID}} {{.Node}}'];
  const lines = (await succeed(manager, 'service', 'ps', ...flags, 'web')).split('\n');
  return new Map(lines.map((line) => line.split(' ') as [string, string]));
}

test('the machines of the leader and of another manager lose their power - only the tasks that ran there are moved', async () => {
  await tsswarm('service', 'create', '--quiet', '--name', 'web', '--replicas', '12', IMAGE);
  const leader = await untilSettled(MANAGERS);
  const before = await wantedTasks(leader);
  const [also = 0, asked = 0] = MANAGERS.filter((node) => node !== leader);
  const dark = [leader, also].map((node) => `node${node}`);
  // Nobody answers that a connection is refused: it is as if nothing were there.
  for (const node of dark) await tsswarm('lab', 'partition', node);
  await until('the two are down, the others ready', 90, async () => {
    const nodes = await nodesSeenBy(asked);
    const isRight = (name: string) =>
      nodes?.get(name)?.status.state === (dark.includes(name) ? NodeState.DOWN : NodeState.READY);
    return NODES.every((node) => isRight(`node${node}`)) || undefined;
  });
  const after = await until('there are twelve tasks again', 30, async () => {
    const tasks = await wantedTasks(asked);
    return tasks.size === 12 && [...tasks.values()].every((node) => !dark.includes(node)) ? tasks : undefined;
  });
  const stayed = [...before].filter(([, node]) => !dark.includes(node));
  expect(stayed.length).toBeGreaterThan(0);
  expect([...after]).toEqual(expect.arrayContaining(stayed));
});
