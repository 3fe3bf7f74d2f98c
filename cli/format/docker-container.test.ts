import { describe, expect, it } from 'vitest';
import {
  ContainerConfig,
  ContainerEndpoint,
  ContainerHealth,
  ContainerInfo,
  ContainerNetwork,
  ContainerPhase,
  HealthCheckResult,
} from '../../proto/gen/containers.js';
import { HealthState } from '../../proto/gen/objects.js';
import { ContainerSpec, HealthConfig, Mount, MountType, PortConfig } from '../../proto/gen/specs.js';
import { dockerContainer } from './docker-container.js';
import { Template } from './template.js';

const ID = 'ff0463e152bda2d24e49b962367d2300dd653d897350194ff702538b4231d1a6';
const ports = [PortConfig.create({ targetPort: 80, publishedPort: 8080 }), PortConfig.create({ targetPort: 81 })];
const info = ContainerInfo.create({
  id: ID,
  createdAt: Date.UTC(2026, 10, 21),
  startedAt: Date.UTC(2026, 10, 21, 1),
  phase: ContainerPhase.RUNNING,
  pid: 42,
  command: ['/entry', 'httpd', '-f'],
  ports,
  sandboxKey: `/run/tsswarm/netns/${ID.slice(0, 12)}`,
  endpoints: [
    ContainerEndpoint.create({
      networkId: 'netid',
      networkName: 'back',
      addresses: ['10.1.0.5/16', 'fd00::5/64'],
      mac: '02:42:0a:01:00:05',
      gateway: '10.1.0.1',
      gateway6: 'fd00::1',
      endpointId: 'e1',
      aliases: ['www'],
    }),
    ContainerEndpoint.create({ networkId: 'bridgeid', networkName: 'bridge', addresses: ['172.17.0.2/16'] }),
  ],
  config: ContainerConfig.create({
    name: 'web',
    ports,
    networks: [ContainerNetwork.create({ network: 'back', ipv4Address: '10.1.0.5' })],
    container: ContainerSpec.create({
      image: 'app',
      entrypoint: ['/entry'],
      env: ['A=1'],
      mounts: [
        Mount.create({ type: MountType.BIND, source: '/a', target: '/b', readOnly: true, createMountpoint: true }),
        Mount.create({ type: MountType.TMPFS, target: '/run' }),
      ],
    }),
  }),
});
const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const run = (template: string, container = info): string => new Template(template).execute(dockerContainer(container));

describe('inspect of a container', () => {
  it('has the shape of docker', () => {
    expect(json(dockerContainer(info))).toMatchObject({
      Id: ID,
      Name: '/web',
      Path: '/entry',
      Args: ['httpd', '-f'],
      State: { Status: 'running', Running: true, Pid: 42, FinishedAt: '0001-01-01T00:00:00Z' },
      HostConfig: {
        Binds: ['/a:/b:ro'],
        NetworkMode: 'back',
        PortBindings: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '81/tcp': null },
        RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
        Mounts: [{ Type: 'tmpfs', Target: '/run' }],
      },
      Mounts: [
        { Type: 'bind', Source: '/a', Destination: '/b', Mode: 'ro', RW: false, Propagation: 'rprivate' },
        { Type: 'tmpfs', Destination: '/run', RW: true },
      ],
      Config: { Hostname: 'ff0463e152bd', Env: ['A=1'], Cmd: ['httpd', '-f'], Entrypoint: ['/entry'], Image: 'app' },
      NetworkSettings: {
        SandboxID: ID,
        SandboxKey: '/run/tsswarm/netns/ff0463e152bd',
        IPAddress: '172.17.0.2',
        Networks: {
          back: {
            IPAMConfig: { IPv4Address: '10.1.0.5' },
            Aliases: ['www'],
            NetworkID: 'netid',
            EndpointID: 'e1',
            Gateway: '10.1.0.1',
            IPAddress: '10.1.0.5',
            IPPrefixLen: 16,
            IPv6Gateway: 'fd00::1',
            GlobalIPv6Address: 'fd00::5',
            GlobalIPv6PrefixLen: 64,
            MacAddress: '02:42:0a:01:00:05',
          },
        },
      },
    });
  });

  it('has the health of one that is checked, and how that is done', () => {
    const healthcheck = HealthConfig.create({ test: ['CMD-SHELL', 'probe'], interval: 5e9 });
    const log = [
      HealthCheckResult.create({
        startedAt: Date.UTC(2026, 0, 1),
        endedAt: Date.UTC(2026, 0, 2),
        exitCode: 1,
        output: 'no',
      }),
    ];
    const checked = ContainerInfo.create({
      ...info,
      config: { ...info.config, container: { ...info.config.container, healthcheck } },
      health: ContainerHealth.create({ status: HealthState.UNHEALTHY, failingStreak: 3, log }),
    });
    expect(json(dockerContainer(checked))).toMatchObject({
      State: {
        Health: {
          Status: 'unhealthy',
          FailingStreak: 3,
          Log: [{ Start: '2026-01-01T00:00:00.000Z', End: '2026-01-02T00:00:00.000Z', ExitCode: 1, Output: 'no' }],
        },
      },
      Config: { Healthcheck: { Test: ['CMD-SHELL', 'probe'], Interval: 5_000_000_000 } },
    });
    expect(run('{{.State.Health.Status}}', checked)).toBe('unhealthy');
    expect(json(dockerContainer(info))).not.toHaveProperty('State.Health');
  });

  it.each([
    ['{{.NetworkSettings.SandboxKey}}', '/run/tsswarm/netns/ff0463e152bd'],
    ['{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}', '10.1.0.5 172.17.0.2 '],
    [
      '{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{$v.IPAddress}};{{end}}',
      'back=10.1.0.5;bridge=172.17.0.2;',
    ],
    ['{{.NetworkSettings.Networks.back.MacAddress}}', '02:42:0a:01:00:05'],
    ['{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', '8080'],
    ['{{with index .NetworkSettings.Ports "80/tcp"}}{{(index . 0).HostIp}}{{end}}', '0.0.0.0'],
    [
      '{{range $p, $conf := .NetworkSettings.Ports}}{{$p}} -> {{with $conf}}{{(index . 0).HostPort}}{{end}};{{end}}',
      '80/tcp -> 8080;81/tcp -> ;',
    ],
    ['{{json .NetworkSettings.Networks.bridge.IPAddress}}', '"172.17.0.2"'],
    ['{{.State.Pid}} {{.State.Status}}', '42 running'],
    ['{{range .Config.Env}}{{println .}}{{end}}', 'A=1\n'],
    ['{{range .Mounts}}{{.Source}}:{{.Destination}} {{end}}', '/a:/b :/run '],
    ['{{if .State.Running}}up{{else}}down{{end}}', 'up'],
    ['{{slice .Name 1}} {{.HostConfig.NetworkMode}}', 'web back'],
    ['{{join .Args " "}}', 'httpd -f'],
    ['{{index .Config.Labels "none"}}', ''],
  ])('%s', (template, text) => {
    expect(run(template)).toBe(text);
  });

  it('that does not run - shows the networks that it will have', () => {
    const created = { ...info, phase: ContainerPhase.CREATED, pid: 0, endpoints: [], ports: [], sandboxKey: '' };
    expect(run('{{json .NetworkSettings.Networks.back.IPAddress}} {{.NetworkSettings.SandboxID}}', created)).toBe(
      '"" ',
    );
    const plain = { ...created, config: { ...created.config, networks: [] } };
    expect(run('{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}', plain)).toBe('bridge');
  });
});
