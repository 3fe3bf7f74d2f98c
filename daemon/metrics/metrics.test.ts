import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Distribution } from '../../lib/distribution.js';
import { silentLogger } from '../../lib/log.js';
import { packageRoot } from '../../lib/package.js';
import { BackendTraffic, NodeState, PortTraffic, Protocol, TaskState } from '../../proto/gen/index.js';
import { catalog, type Description } from './catalog.js';
import { MetricsServer, type MetricsSource } from './server.js';

const passes = new Distribution([0.01, 1]);
passes.observe(0.005);
passes.observe(2);

const source: MetricsSource = {
  version: '1.2.3',
  engine: () => ({
    containers: { running: 2, stopped: 1 },
    health: { passed: 7, failed: 1 },
    passes: passes.counts(),
    operations: 12,
    repairs: 3,
    problems: 1,
  }),
  worker: async () => ({
    connected: true,
    tasks: new Map([[TaskState.RUNNING, 2]]),
    assignments: 4,
    ports: [
      PortTraffic.create({
        serviceName: 'web',
        protocol: Protocol.UDP,
        published: 53,
        hostAddress: 'fd00::1',
        backends: [
          BackendTraffic.create({
            taskName: 'web.1',
            address: '10.0.0.11',
            weight: 1,
            active: 2,
            connections: 30,
            packetsIn: 40,
            packetsOut: 50,
            bytesIn: 6_000_000_000,
            bytesOut: 70,
          }),
        ],
      }),
    ],
  }),
  manager: () => ({
    leading: true,
    raft: { term: 5, committed: 100, applied: 99, voters: 3, proposals: new Distribution([1]).counts() },
    sessions: 2,
    objects: new Map([['task', 9]]),
    tasks: new Map([[TaskState.PENDING, 1]]),
    nodes: new Map([[NodeState.READY, 3]]),
    pending: 1,
  }),
};

const servers: MetricsServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(from: MetricsSource): Promise<MetricsServer> {
  const server = await MetricsServer.listen({ host: '127.0.0.1', port: 0 }, from, silentLogger);
  servers.push(server);
  return server;
}

const scrape = async (from: MetricsSource): Promise<string> => scrapeAt((await serve(from)).port);

async function scrapeAt(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(response.status).toBe(200);
  return response.text();
}

/** Without the buckets and sums of a histogram. */
const baseOf = (name: string): string => (name in catalog ? name : name.replace(/_(?:bucket|sum|count)$/, ''));

describe('exposition', () => {
  test('has every metric of the catalog, with its type and its labels, and no other', async () => {
    const { port } = await serve(source);
    // What is told since the last scrape is there from the second one on.
    expect(await scrapeAt(port)).not.toContain('nodejs_eventloop_lag');
    const lines = (await scrapeAt(port)).split('\n').filter(Boolean);
    const types = lines.flatMap((line) => /^# TYPE (\S+) (\S+)$/.exec(line)?.slice(1, 3).join(' ') ?? []);
    const described: [string, Description][] = Object.entries(catalog);
    expect(types).toEqual(described.map(([name, { type }]) => `${name} ${type}`));
    for (const line of lines.filter((one) => !one.startsWith('#'))) {
      const [, name = '', inBraces = ''] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
      const labels = [...inBraces.matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== 'le');
      expect([name, labels]).toEqual([
        name,
        (described.find(([one]) => one === baseOf(name))?.[1].labels ?? []) as string[],
      ]);
    }
  });

  test('values as they are measured', async () => {
    const text = await scrape(source);
    const web = 'service="web",protocol="udp",port="[fd00::1]:53",task="web.1",address="10.0.0.11"';
    for (const line of [
      'tsswarm_build_info{version="1.2.3"} 1',
      `tsswarm_ingress_connections_total{${web}} 30`,
      `tsswarm_ingress_receive_bytes_total{${web}} 6000000000`,
      'tsswarm_network_pass_duration_seconds_bucket{le="0.01"} 1',
      'tsswarm_network_pass_duration_seconds_bucket{le="+Inf"} 2',
      'tsswarm_network_pass_duration_seconds_sum 2.005',
      'tsswarm_agent_tasks{state="running"} 2',
      'tsswarm_manager_nodes{state="ready"} 3',
      'tsswarm_health_checks_total{result="failed"} 1',
    ])
      expect(text.split('\n')).toContain(line);
    for (const name of ['process_open_fds', 'process_max_fds', 'process_resident_memory_bytes'])
      expect(Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])).toBeGreaterThan(0);
  });

  test('a worker has nothing of a manager, and a machine in no swarm nothing of a worker', async () => {
    const worker = await scrape({ ...source, manager: () => undefined });
    expect(worker).not.toMatch(/tsswarm_(?:manager|raft|store|scheduler|dispatcher)/);
    const alone = await scrape({ ...source, manager: () => undefined, worker: async () => undefined });
    expect(alone).not.toMatch(/tsswarm_(?:agent|ingress)/);
    expect(alone).toContain('tsswarm_containers{state="running"} 2');
  });
});

describe('server', () => {
  test('a part that cannot be measured is told, not left out', async () => {
    const { port } = await serve({ ...source, worker: () => Promise.reject(new Error('read nftables: EPERM')) });
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    expect([response.status, await response.text()]).toEqual([500, 'read nftables: EPERM\n']);
  });

  test('nothing else is there, and nothing can be written', async () => {
    const { port } = await serve(source);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'HEAD' })).status).toBe(200);
  });

  test('an address that is taken is named', async () => {
    const { port } = await serve(source);
    const second = MetricsServer.listen({ host: '127.0.0.1', port }, source, silentLogger);
    await expect(second).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      value: `127.0.0.1:${port}`,
      message: expect.stringContaining('another program uses that port'),
    });
  });
});

describe('documents', () => {
  const read = (...names: string[]) => readFileSync(path.join(packageRoot(), ...names), 'utf8');

  test('docs/metrics.md has the table of the catalog', () => {
    const rows = [...read('docs', 'metrics.md').matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$/gm)];
    const described: [string, Description][] = Object.entries(catalog);
    expect(rows.map(([, name, type, labels, help]) => [name, type, labels, help])).toEqual(
      described.map(([name, { type, labels = [], help }]) => [
        name,
        type,
        labels.map((label) => `\`${label}\``).join(', '),
        help,
      ]),
    );
  });

  test('the dashboard shows metrics that there are, and all of them', () => {
    const dashboard = JSON.parse(read('packaging', 'grafana', 'tsswarm.json')) as {
      panels: { targets?: { expr: string }[] }[];
    };
    const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    const names = expressions.flatMap((expr) => expr.match(/\b(?:tsswarm|process|nodejs)_\w+/g) ?? []).map(baseOf);
    expect([...new Set(names)].sort()).toEqual(Object.keys(catalog).sort());
  });
});
