import { expect, test } from 'vitest';
import { tsswarm, tsswarmOutcome } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { requests, tally } from '../../demo/traffic.js';
import { addressOf, IMAGE, useLab } from './lab.js';

useLab(2, '--balancer', 'nft');

/** Which replicas answer requests, each on its own connection. */
const answering = async (node: number, count: number) =>
  tally((await requests(`http://${addressOf(node)}:8080/`, count)).map(({ hostname }) => hostname));
const port = (...more: readonly string[]) => ['published=8080', 'target=80', ...more].join(',');
const change = (...more: readonly string[]) =>
  tsswarm('service', 'update', '--quiet', '--publish-rm', '8080:80', '--publish-add', port(...more), 'web');

test('a port is spread as it asks for, and a node that cannot do so says it', async () => {
  expect(await tsswarm('info')).toMatch(/Balancer: +nft$/m);
  await tsswarm(
    'service',
    'create',
    '--quiet',
    '--name',
    'web',
    '--replicas',
    '3',
    '--publish',
    port('scheduler=lc'),
    IMAGE,
  );
  // Nothing is lost for want of IPVS: three connections of each are in turn.
  expect([...(await answering(1, 9)).values()]).toEqual([3, 3, 3]);
  const problem = 'port 8080/tcp is balanced in turn (rr) on this node; it asks for lc';
  const shown = () => tsswarm('node', 'inspect', '--pretty', 'node2');
  await until('node2 says so', 10, async () => (await shown()).includes(problem) || undefined);
  const inspected = await tsswarm('service', 'inspect', '--pretty', 'web');
  expect(inspected).toContain('8080 -> 80/tcp (ingress, lc)');
  expect(inspected).toContain(`web on node2: ${problem}`);
  expect((await tsswarmOutcome(['service', 'ps', 'web'])).stderr).toContain(`web on node2: ${problem}`);

  await change('scheduler=sh');
  await until('a client has one replica through both nodes', 10, async () => {
    const replicas = new Set([...(await answering(1, 4)).keys(), ...(await answering(2, 4)).keys()]);
    return replicas.size === 1 || undefined;
  });
  await until('node2 has no such problem', 10, async () => !(await shown()).includes(problem) || undefined);

  await change('affinity=10m');
  const [kept] = await until('a client keeps its replica', 10, async () => {
    const replicas = [...(await answering(1, 6)).keys()];
    return replicas.length === 1 ? replicas : undefined;
  });
  await tsswarm('service', 'scale', 'web=5');
  expect([...(await answering(1, 6)).keys()]).toEqual([kept]);
});
