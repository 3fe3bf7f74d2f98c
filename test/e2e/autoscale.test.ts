import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { execute, tsswarm } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { Load } from '../../demo/traffic.js';
import { addressOf, IMAGE, useLab } from './lab.js';

// Nodes report with each heartbeat.
useLab(2, '--dispatcher-heartbeat', '1s');

const WINDOWS = 'up-window=2s,down-window=4s';
/** In the command line of each container's process, so that the kernel can be asked how many there are. */
const MARK = 'autoscale-test';
/** Works while the file is there. */
const WORKER = `: ${MARK}; trap 'exit 0' TERM
while :; do
  if [ -e /flag/work ]; then i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; else sleep 0.1; fi
done`;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-autoscale-'));
});
afterAll(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

const processes = async () => Number((await execute('pgrep', ['--full', '--count', `^sh -c : ${MARK}`])).stdout);
async function running(count: number): Promise<void> {
  await until(`${count} containers`, 45, async () => ((await processes()) === count ? true : undefined));
}
const pretty = (service: string) => tsswarm('service', 'inspect', '--pretty', service);

test('cpu - tasks come while all are busy, and go when they are not', async () => {
  await writeFile(`${folder}/work`, '');
  await tsswarm(
    ...['service', 'create', '--quiet', '--name', 'worker', '--limit-cpu', '0.2', '--stop-grace-period', '1s'],
    ...['--autoscale', `min=1,max=3,cpu=50%,${WINDOWS}`],
    ...['--mount', `type=bind,source=${folder},target=/flag,readonly`, IMAGE, 'sh', '-c', WORKER],
  );
  await running(3);
  expect(await tsswarm('service', 'ls', '--format', '{{.Replicas}}')).toContain('(1 to 3 by load)');
  expect(await pretty('worker')).toMatch(/Last: +scaled from [12] to 3 at 20\S+Z: cpu \d+ % of 50 %\n/);
  await rm(`${folder}/work`);
  await running(1);
  expect(await pretty('worker')).toMatch(/Last: +scaled from [23] to 1 at 20\S+Z: cpu \d+ % of 50 %\n/);
  await tsswarm('service', 'rm', 'worker');
  await running(0);
});

test('connections - that come through the routing mesh count', async () => {
  const server = `: ${MARK}; trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait`;
  await tsswarm(
    ...['service', 'create', '--quiet', '--name', 'web', '--publish', '8080:80', '--stop-grace-period', '1s'],
    ...['--autoscale', `max=2,connections=2,${WINDOWS}`, IMAGE, 'sh', '-c', server],
  );
  await running(1);
  const load = new Load([`http://${addressOf(1)}:8080/`, `http://${addressOf(2)}:8080/`]);
  try {
    await running(2);
  } finally {
    await load.stop();
  }
  expect(load.failures).toEqual([]);
  expect(await pretty('web')).toMatch(/Last: +scaled from 1 to 2 at \S+: [\d.]+ of 2 connections per second\n/);
});
