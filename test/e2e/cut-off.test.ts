import { beforeAll, expect, test } from 'vitest';
import { tsswarm } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { importBusybox, inNamespace, inspect, netnsFolder, network, on, succeeds } from './articles/walk.js';
import { addressOf, useLab } from './lab.js';

useLab(3, '--dispatcher-heartbeat', '2s');
beforeAll(importBusybox);

const addressIn = async (node: number, name: string) =>
  (await inspect(node, name)).NetworkSettings.Networks.back?.IPAddress ?? '';
const run = (node: number, name: string) =>
  on(node, 'run', '-d', '--name', name, '--network', 'back', 'busybox', 'sleep', '1000');
const stateOf = async (node: string) =>
  (await tsswarm('node', 'inspect', '--format', '{{.Status.State}}', node)).trim();

/** Endpoints of other nodes in a node's part of the network, by ip(8) and bridge(8): address, MAC, VTEP. */
async function remotes(node: number): Promise<readonly string[]> {
  const space = `${netnsFolder(node)}/1-${(await network(node, 'back')).Id.slice(0, 10)}`;
  const neighbours = await inNamespace(space, 'ip', 'neigh', 'show', 'dev', 'vxlan0', 'nud', 'permanent');
  const entries = await inNamespace(space, 'bridge', 'fdb', 'show', 'dev', 'vxlan0');
  return [...neighbours.matchAll(/^(\S+) lladdr (\S+) PERMANENT/gm)]
    .map(([, address, mac]) => `${address} ${mac} ${new RegExp(`^${mac} dst (\\S+)`, 'm').exec(entries)?.[1]}`)
    .sort();
}

test('a node that was cut off - learns of all endpoints that came and went meanwhile', async () => {
  await tsswarm('network', 'create', '-d', 'overlay', '--attachable', 'back');
  await run(3, 'stays');
  await run(2, 'goes');
  const goes = await addressIn(2, 'goes');
  await until('the entry', 10, async () =>
    (await remotes(3)).some((entry) => entry.startsWith(goes)) ? true : undefined,
  );

  await tsswarm('lab', 'partition', 'node3');
  await on(2, 'rm', '-f', 'goes');
  await run(2, 'comes');
  await run(1, 'other');
  await until('node3 is down', 30, async () => ((await stateOf('node3')) === 'down' ? true : undefined));
  // What it knew stays: its own containers go on.
  expect((await remotes(3)).map((entry) => entry.split(' ')[0])).toEqual([goes]);

  await tsswarm('lab', 'heal', 'node3');
  await until('node3 is ready', 30, async () => ((await stateOf('node3')) === 'ready' ? true : undefined));
  const expected = await Promise.all(
    (
      [
        [1, 'other'],
        [2, 'comes'],
      ] as const
    ).map(async ([node, name]) => {
      const { IPAddress, MacAddress } = (await inspect(node, name)).NetworkSettings.Networks.back ?? {};
      return `${IPAddress} ${MacAddress} ${addressOf(node)}`;
    }),
  );
  const wanted = expected.sort().join('\n');
  await until('the endpoints', 5, async () => ((await remotes(3)).join('\n') === wanted ? true : undefined));
  for (const name of ['comes', 'other']) {
    await on(3, 'exec', 'stays', 'ping', '-c', '1', '-W', '2', name);
    const back = name === 'comes' ? 2 : 1;
    await on(back, 'exec', name, 'ping', '-c', '1', '-W', '2', 'stays');
  }
  expect(await succeeds(on(3, 'exec', 'stays', 'nslookup', 'goes', '127.0.0.11'))).toBe(false);
});
