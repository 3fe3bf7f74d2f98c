import { afterEach, beforeEach, expect, test } from 'vitest';
import { unavailable } from '../../lib/errors.js';
import { BackendTraffic, IngressAnswer, PortTraffic } from '../../proto/gen/index.js';
import { TestSwarm } from './swarm.js';

let swarm: TestSwarm;
let readings = 0;
beforeEach(async () => {
  swarm = new TestSwarm();
  readings = 0;
  await swarm.start();
  await swarm.cli('service', 'create', '--quiet', '--name', 'web', '--replicas', '2', '--publish', '8080:80', 'web');
  await swarm.cli(
    ...['service', 'create', '--quiet', '--name', 'direct', '--publish', 'mode=host,published=8081,target=81', 'web'],
  );
  const tasks = [...swarm.store.view().list('task')].filter(({ serviceName }) => serviceName === 'web');
  swarm.ingress = (nodeId) => {
    if (nodeId === 'node2id') throw unavailable('node node2 is down: it cannot be asked');
    // Ten connections a second for each of the tasks.
    const n = readings++;
    return IngressAnswer.create({
      balancer: 'nft',
      readAtNs: n * 1e9,
      ports: [
        PortTraffic.create({
          serviceId: tasks[0]?.serviceId ?? '',
          published: 8080,
          target: 80,
          backends: tasks.map(({ id, slot }) =>
            BackendTraffic.create({
              taskId: id,
              taskName: `web.${slot}`,
              address: `10.0.0.${10 + slot}`,
              weight: slot === 2 ? 0 : 1,
              active: slot,
              connections: 10 * n * slot,
              packetsIn: 100 * n,
              packetsOut: 50 * n,
              bytesIn: 2_000 * n,
              bytesOut: 1_000_000 * n,
            }),
          ),
        }),
      ],
    });
  };
});
afterEach(() => swarm.stop());

const SILENT = 'WARNING: node node2 is down: it cannot be asked\n';

/** Cells of a table, without what pads them. */
const cells = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));

test('ingress ls - each published port over all nodes, and who did not answer', async () => {
  const { code, out, err } = await swarm.cli('ingress', 'ls');
  expect(cells(out)).toEqual([
    ['PUBLISHED', 'TARGET', 'SERVICE', 'MODE', 'SCHEDULER', 'SERVING', 'DRAINING', 'ACTIVE', 'CONN/S', 'IN', 'OUT'],
    ['8080/tcp', '80/tcp', 'web', 'ingress', 'rr', '1', '1', '3', '30', '4kB/s', '2MB/s'],
    ['8081/tcp', '81/tcp', 'direct', 'host', '-', expect.stringMatching(/^[01]$/), '-', '-', '-', '-', '-'],
  ]);
  expect({ code, err }).toEqual({ code: 0, err: SILENT });
  expect((await swarm.cli('ingress', 'ls', '--quiet')).out).toBe('8080/tcp\n8081/tcp\n');
});

test('ingress inspect - each task at each node, by service or port', async () => {
  const { out, err } = await swarm.cli('ingress', 'inspect', 'web');
  expect(out).toContain('web: 8080/tcp -> 80/tcp, mode ingress, scheduler rr, balancer nft\n');
  expect(cells(out).slice(1)).toEqual([
    [
      ...['NODE', 'TASK', 'ADDRESS', 'WEIGHT', 'STATE', 'ACTIVE', 'TOTAL', 'CONN/S'],
      ...['PACKETS IN / OUT', 'BYTES IN / OUT', 'IN / OUT'],
    ],
    ['node1', 'web.1', '10.0.0.11', '1', 'serving', '1', '10', '10', '100 / 50', '2kB / 1MB', '2kB/s / 1MB/s'],
    ['node1', 'web.2', '10.0.0.12', '0', 'draining', '2', '20', '20', '100 / 50', '2kB / 1MB', '2kB/s / 1MB/s'],
  ]);
  expect(err).toBe(SILENT);
  const [object] = JSON.parse((await swarm.cli('ingress', 'inspect', '8080', '--format', 'json')).out);
  expect(object).toMatchObject({
    Service: 'web',
    PublishedPort: 8080,
    Backends: [
      {
        Node: 'node1',
        Task: 'web.1',
        Balancer: 'nft',
        State: 'serving',
        ConnectionRate: 10,
        PacketsOut: 150,
        BytesInRate: 2_000,
      },
      { Node: 'node1', Task: 'web.2', State: 'draining', ActiveConnections: 2 },
    ],
    NotAnswered: [{ Node: 'node2', Reason: 'node node2 is down: it cannot be asked' }],
  });
  const alone = await swarm.cli('ingress', 'inspect', 'web', '--node', 'node1', '--format', '{{len .NotAnswered}}');
  expect(alone).toEqual({ code: 0, out: '0\n', err: '' });
  const template = await swarm.cli('ingress', 'inspect', 'web', '--format', '{{.PublishedPort}}');
  expect(template).toEqual({ code: 0, out: '8080\n', err: SILENT });
});

test('ingress inspect - several at once, each once; the rest is shown when one is none', async () => {
  const refs = ['direct', 'nothing', 'web', '8080/tcp'];
  const { code, out, err } = await swarm.cli('ingress', 'inspect', ...refs, '--format', '{{.Service}}');
  expect({ code, out }).toEqual({ code: 1, out: 'direct\nweb\n' });
  expect(err).toContain('no such service or published port: nothing');
  expect(err).toContain(SILENT);
});

test('ingress - a range from which each node chooses, and a port that is left open', async () => {
  await swarm.cli(
    ...['service', 'create', '--quiet', '--name', 'range', '--publish', 'published=9080-9089,target=80,mode=host'],
    ...['--publish', 'target=82,mode=host', 'web'],
  );
  const { out } = await swarm.cli('ingress', 'ls', '--quiet');
  expect(out).toBe('8080/tcp\n8081/tcp\n9080-9089/tcp\nany/tcp\n');
  const [object] = JSON.parse((await swarm.cli('ingress', 'inspect', '9085', '--format', 'json')).out);
  expect(object).toMatchObject({ Service: 'range', PublishedPort: 9080, PublishedPortLast: 9089 });
});

test('ingress inspect - what is not published is refused, and a node that is none', async () => {
  await swarm.cli('service', 'create', '--quiet', '--name', 'inner', 'web');
  for (const [ref, words] of [
    ['inner', 'service inner publishes no port'],
    ['8082', 'no service publishes port 8082'],
    ['nothing', 'no such service or published port: nothing'],
  ] as const)
    expect(await swarm.cli('ingress', 'inspect', ref)).toMatchObject({ code: 1, err: expect.stringContaining(words) });
  expect(await swarm.cli('ingress', 'inspect', 'web', '--node', 'nobody')).toMatchObject({
    code: 1,
    err: expect.stringContaining('nobody'),
  });
});

test('ingress top - tasks over all nodes, by what is asked for', async () => {
  const { out, err } = await swarm.cli('ingress', 'top', '--no-stream');
  expect(cells(out)).toEqual([
    ['PUBLISHED', 'TASK', 'STATE', 'NODES', 'ACTIVE', 'TOTAL', 'CONN/S', 'IN', 'OUT'],
    ['8080/tcp', 'web.2', 'draining', '0/1', '2', '20', '20', '2kB/s', '1MB/s'],
    ['8080/tcp', 'web.1', 'serving', '1/1', '1', '10', '10', '2kB/s', '1MB/s'],
  ]);
  expect(err).toBe(SILENT);
  const byName = await swarm.cli('ingress', 'top', '--no-stream', '--sort', 'name', '--format', '{{.Task}}', 'web');
  expect(byName.out).toBe('web.1\nweb.2\n');
  expect(await swarm.cli('ingress', 'top', '--no-stream', '--sort', 'size')).toMatchObject({
    code: 125,
    err: expect.stringContaining('must be one of rate, active, total, in, out, name'),
  });
});

test('ingress top - on a terminal in place until Ctrl-C, with who did not answer below', async () => {
  const screens: string[] = [];
  const ending = new AbortController();
  const { code } = await swarm.cliWith(
    {
      columns: 100,
      interrupted: () => ending.signal,
      out: (text) => {
        if (screens.push(text.toString()) === 2) ending.abort();
      },
    },
    ...['ingress', 'top', 'web'],
  );
  expect(code).toBe(0);
  expect(screens).toHaveLength(2);
  for (const screen of screens) {
    expect(screen.startsWith('\x1b[H')).toBe(true);
    expect(screen).toContain('node node2 is down: it cannot be asked');
  }
});

test('ingress - a node that is no manager says so', async () => {
  swarm.demote();
  expect(await swarm.cli('ingress', 'ls')).toMatchObject({
    code: 1,
    err: expect.stringContaining('This node is not a swarm manager'),
  });
});
