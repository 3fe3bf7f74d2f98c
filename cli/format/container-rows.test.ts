import { describe, expect, it } from 'vitest';
import {
  ContainerConfig,
  ContainerEndpoint,
  ContainerHealth,
  ContainerInfo,
  ContainerPhase,
  ContainerStats,
} from '../../proto/gen/containers.js';
import { HealthState } from '../../proto/gen/objects.js';
import { ContainerSpec, Mount, MountType, PortConfig, Protocol } from '../../proto/gen/specs.js';
import { containerRow, containerView, hostAddress, portMappings, statusText } from './container-rows.js';
import { renderList } from './list.js';
import { statsRow } from './stats-rows.js';

const NOW = Date.UTC(2026, 10, 28, 12);
const MINUTE = 60_000;
const port = (targetPort: number, publishedPort = 0, fields: Partial<PortConfig> = {}) =>
  PortConfig.create({ targetPort, publishedPort, ...fields });

const UP = { phase: ContainerPhase.RUNNING, startedAt: NOW - 2000 };
const healthOf = (status: HealthState) => ContainerHealth.create({ status });

const web = ContainerInfo.create({
  id: 'ff0463e152bda2d24e49b962367d2300dd653d897350194ff702538b4231d1a6',
  createdAt: NOW - 3 * MINUTE,
  startedAt: NOW - 2 * MINUTE,
  phase: ContainerPhase.RUNNING,
  command: ['httpd', '-f', '-p', '80', '-h', '/www'],
  ports: [port(80, 8080)],
  endpoints: ['back', 'front'].map((networkName) => ContainerEndpoint.create({ networkName })),
  config: ContainerConfig.create({
    name: 'web',
    container: ContainerSpec.create({
      image: 'app:1@sha256:0011',
      labels: { tier: 'front', a: 'b' },
      mounts: [Mount.create({ type: MountType.BIND, source: '/a/very/long/path/somewhere' })],
    }),
  }),
});

describe('ps', () => {
  it('rows - are those of docker', () => {
    expect(renderList(containerView, [containerRow(web, NOW, true)], { format: undefined, quiet: false })).toBe(
      'CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS                  NAMES\n' +
        'ff0463e152bd   app:1     "httpd -f -p 80 -h /…"   3 minutes ago   Up 2 minutes   0.0.0.0:8080->80/tcp   web\n',
    );
  });

  it('rows - whole, with the fields of templates', () => {
    expect(containerRow(web, NOW, false)).toMatchObject({
      ID: web.id,
      Image: 'app:1@sha256:0011',
      Command: '"httpd -f -p 80 -h /www"',
      State: 'running',
      Networks: 'back,front',
      Labels: 'a=b,tier=front',
      Mounts: '/a/very/long/path/somewhere',
      LocalVolumes: '0',
    });
    expect(containerRow(web, NOW, true).Label('tier')).toBe('front');
    expect(containerRow(web, NOW, true).CreatedAt).toMatch(/^2026-11-2\d \d\d:57:00 [+-]\d{4} \S+$/);
  });

  it.each<[Partial<ContainerInfo>, string]>([
    [{ phase: ContainerPhase.CREATED }, 'Created'],
    [{ phase: ContainerPhase.RUNNING, startedAt: NOW - 500 }, 'Up Less than a second'],
    [{ phase: ContainerPhase.RUNNING, startedAt: NOW - 75 * MINUTE }, 'Up About an hour'],
    [{ ...UP, health: healthOf(HealthState.STARTING) }, 'Up 2 seconds (health: starting)'],
    [{ ...UP, health: healthOf(HealthState.HEALTHY) }, 'Up 2 seconds (healthy)'],
    [{ ...UP, health: healthOf(HealthState.UNHEALTHY) }, 'Up 2 seconds (unhealthy)'],
    [{ phase: ContainerPhase.EXITED, finishedAt: NOW - 120 * MINUTE }, 'Exited (0) 2 hours ago'],
    [{ phase: ContainerPhase.EXITED, exitCode: 137, finishedAt: NOW - 1000 }, 'Exited (137) 1 second ago'],
    [{ phase: ContainerPhase.RESTARTING, exitCode: 1, finishedAt: NOW - MINUTE }, 'Restarting (1) About a minute ago'],
    [{ phase: ContainerPhase.REMOVING }, 'Removal In Progress'],
  ])('status - %j', (state, words) => {
    expect(statusText(ContainerInfo.create(state), NOW)).toBe(words);
  });

  it.each([
    [[port(80)], '80/tcp'],
    [[port(80, 8080), port(53, 53, { protocol: Protocol.UDP })], '0.0.0.0:53->53/udp, 0.0.0.0:8080->80/tcp'],
    [[port(82, 82), port(80, 80), port(81, 81)], '0.0.0.0:80-82->80-82/tcp'],
    [[port(80), port(81), port(443)], '80-81/tcp, 443/tcp'],
    [[port(80, 8080), port(81, 8081)], '0.0.0.0:8080->80/tcp, 0.0.0.0:8081->81/tcp'],
    [
      [port(80, 80, { hostIp: '127.0.0.1' }), port(80, 80, { hostIp: '::1' })],
      '127.0.0.1:80->80/tcp, [::1]:80->80/tcp',
    ],
  ])('ports - %#', (ports, text) => {
    expect(portMappings(ports)).toBe(text);
  });

  it('an address of this machine', () => {
    expect(hostAddress({ hostIp: '', publishedPort: 80 })).toBe('0.0.0.0:80');
    expect(hostAddress({ hostIp: 'fd00::1', publishedPort: 80 })).toBe('[fd00::1]:80');
  });
});

describe('stats', () => {
  const before = ContainerStats.create({ id: web.id, name: 'web', readAtNs: 1e9, cpuNs: 5e8 });
  const now = ContainerStats.create({
    ...before,
    readAtNs: 2e9,
    cpuNs: 2e9,
    memoryBytes: 2 << 20,
    memoryLimitBytes: 8 << 20,
    pids: 3,
    blockReadBytes: 4096,
    networkReceivedBytes: 1050,
  });

  it('rows - CPU is what was used between two readings', () => {
    expect(statsRow(now, before, true)).toEqual({
      Container: 'ff0463e152bd',
      ID: 'ff0463e152bd',
      Name: 'web',
      CPUPerc: '150.00%',
      MemUsage: '2MiB / 8MiB',
      MemPerc: '25.00%',
      NetIO: '1.05kB / 0B',
      BlockIO: '4.1kB / 0B',
      PIDs: '3',
    });
  });

  it('rows - nothing before, or a container that was started anew', () => {
    expect(statsRow(now, undefined, true).CPUPerc).toBe('0.00%');
    expect(statsRow({ ...now, cpuNs: 0 }, before, true).CPUPerc).toBe('0.00%');
    expect(statsRow(before, undefined, true)).toMatchObject({ MemUsage: '0B / 0B', MemPerc: '0.00%' });
  });
});
