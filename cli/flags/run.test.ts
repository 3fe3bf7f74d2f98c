import { describe, expect, it } from 'vitest';
import type { ContainerConfig } from '../../proto/gen/containers.js';
import { MountType, Protocol, PublishMode } from '../../proto/gen/specs.js';
import { SwarmCommand } from '../command.js';
import { runOptions } from '../commands/run-options.js';
import { flagsOf } from '../options.js';
import { Flags } from './flags.js';
import { attachedStreams, containerConfig } from './run.js';

const sources = { env: { HOME: '/root' }, envFiles: ['A=file\nB=file\n'], labelFiles: ['x=1\ny\n'], folder: '/work' };

/** The container that a command line of `run` describes. */
async function config(...argv: string[]): Promise<ContainerConfig> {
  const command = new SwarmCommand('run').argument('<image>').argument('[command...]').option('-d, --detach');
  runOptions(command);
  await command.action(() => undefined).parseAsync(argv, { from: 'user' });
  const [image, args] = command.processedArgs as [string, string[]];
  return containerConfig(image, args, flagsOf(command), sources);
}

describe('run - the command line', () => {
  it('short flags may be joined, the last one with its value', async () => {
    const { container, ports } = await config(
      '-itp',
      '8080:80',
      '-eA=1',
      '-h',
      'web',
      '--rm=false',
      'img',
      'sh',
      '-c',
      'ls',
    );
    expect(container).toMatchObject({
      tty: true,
      openStdin: true,
      hostname: 'web',
      image: 'img',
      args: ['sh', '-c', 'ls'],
    });
    expect(ports).toMatchObject([{ publishedPort: 8080, targetPort: 80, publishMode: PublishMode.HOST }]);
  });

  it('a health check is its own, or none', async () => {
    const times = ['--health-interval', '5s', '--health-timeout', '1s', '--health-retries', '2'];
    const more = ['--health-start-period', '1m', '--health-start-interval', '100ms'];
    const { container } = await config('--health-cmd', 'probe || exit 1', ...times, ...more, 'img');
    expect(container.healthcheck).toEqual({
      test: ['CMD-SHELL', 'probe || exit 1'],
      interval: 5e9,
      timeout: 1e9,
      startPeriod: 60e9,
      startInterval: 1e8,
      retries: 2,
    });
    expect((await config('--no-healthcheck', 'img')).container.healthcheck?.test).toEqual(['NONE']);
    expect((await config('img')).container.healthcheck).toBeUndefined();
  });

  it('what follows the image is its own', async () => {
    const { container, autoRemove } = await config('--rm', 'img', '--rm=false', '-it', '--name', 'x');
    expect(container).toMatchObject({ args: ['--rm=false', '-it', '--name', 'x'], tty: false });
    expect(autoRemove).toBe(true);
  });

  it('every flag has its place', async () => {
    const all = await config(
      ...['--name', 'web', '--network', 'name=back,alias=a,ip=10.1.0.5', '--network-alias', 'b', '--ip6', 'fd00::5'],
      ...['--mac-address', '02:42:0A:01:00:05', '--net', 'front', '-v', '/a:/b:ro', '-v', './c:/d', '-v', 'data:/e'],
      ...[
        '--mount',
        'type=bind,source=/f,target=/g',
        '--tmpfs',
        '/run:size=64m,mode=1770',
        '-e',
        'A=flag',
        '-e',
        'HOME',
      ],
      ...[
        '--dns',
        '1.1.1.1',
        '--dns-search',
        'example',
        '--dns-option',
        'ndots:1',
        '--add-host',
        'db:10.0.0.9',
        '-m',
        '64m',
      ],
      ...[
        '--memory-swap',
        '-1',
        '--cpus',
        '1.5',
        '--pids-limit',
        '50',
        '-w',
        '/w',
        '-u',
        '1:2',
        '--group-add',
        'audio',
      ],
      ...['--entrypoint', '/entry', '--restart', 'on-failure:3', '--stop-signal', 'INT', '--stop-timeout', '7'],
      ...['--cap-add', 'net_admin', '--cap-drop', 'ALL', '--sysctl', 'net.core.somaxconn=9', '--ulimit', 'nofile=1:2'],
      ...[
        '--device',
        '/dev/fuse:/dev/f:r',
        '--read-only',
        '--init',
        '-l',
        'k=v',
        '-P',
        '--expose',
        '81-82/udp',
        '-p',
        '80',
      ],
      ...['--log-driver', 'json-file', '--log-opt', 'max-size=1m', '--security-opt', 'no-new-privileges', 'img'],
    );
    expect(all).toMatchObject({
      name: 'web',
      restart: 'on-failure',
      restartMaxAttempts: 3,
      publishAll: true,
      attachStdin: false,
      networks: [
        {
          network: 'back',
          aliases: ['a', 'b'],
          ipv4Address: '10.1.0.5',
          ipv6Address: 'fd00::5',
          mac: '02:42:0a:01:00:05',
        },
        { network: 'front', aliases: [], ipv4Address: '' },
      ],
      ports: [
        { targetPort: 80, publishedPort: 0, protocol: Protocol.TCP },
        { targetPort: 81, publishedPort: 0, protocol: Protocol.UDP },
        { targetPort: 82, publishedPort: 0, protocol: Protocol.UDP },
      ],
      resources: { limits: { nanoCpus: 1.5e9, memoryBytes: 64 << 20, pids: 50 }, memorySwapBytes: -1 },
      logDriver: { name: 'json-file', options: { 'max-size': '1m' } },
    });
    expect(all.container).toMatchObject({
      entrypoint: ['/entry'],
      env: ['A=flag', 'B=file', 'HOME=/root'],
      dir: '/w',
      user: '1:2',
      groups: ['audio'],
      init: true,
      readOnly: true,
      stopSignal: 'INT',
      stopGracePeriod: 7e9,
      labels: { x: '1', y: '', k: 'v' },
      hosts: ['10.0.0.9 db'],
      dns: { nameservers: ['1.1.1.1'], search: ['example'], options: ['ndots:1'] },
      capabilityAdd: ['CAP_NET_ADMIN'],
      capabilityDrop: ['ALL'],
      sysctls: { 'net.core.somaxconn': '9' },
      ulimits: [{ name: 'nofile', soft: 1, hard: 2 }],
      privileges: { noNewPrivileges: true },
      devices: [{ hostPath: '/dev/fuse', containerPath: '/dev/f', permissions: 'r' }],
      mounts: [
        { type: MountType.BIND, source: '/a', target: '/b', readOnly: true, createMountpoint: true },
        { type: MountType.BIND, source: '/work/c', target: '/d', readOnly: false },
        { type: MountType.VOLUME, source: 'data', target: '/e' },
        { type: MountType.BIND, source: '/f', target: '/g', createMountpoint: false },
        { type: MountType.TMPFS, target: '/run', tmpfs: { sizeBytes: 64 << 20, mode: 0o1770 } },
      ],
    });
  });

  it('takes options of a tmpfs as docker does', async () => {
    const { mounts } = (await config('--tmpfs', '/run:rw,noexec,nosuid,exec,uid=1000,size=64m', 'img')).container;
    expect(mounts[0]?.tmpfs).toEqual({
      sizeBytes: 64 << 20,
      mode: 0,
      options: ['noexec', 'nosuid', 'exec', 'uid=1000'],
    });
  });

  it('limits memory and swap together', async () => {
    const swap = async (...argv: string[]) => (await config('-m', '64m', ...argv, 'img')).resources.memorySwapBytes;
    expect(await swap()).toBeUndefined();
    expect(await swap('--memory-swap', '0')).toBeUndefined();
    expect(await swap('--memory-swap', '64m')).toBe(0);
    expect(await swap('--memory-swap', '96m')).toBe(32 << 20);
  });

  it('says nothing about networks when nothing was said', async () => {
    expect((await config('img')).networks).toEqual([]);
    expect((await config('--network', 'default', 'img')).networks).toMatchObject([{ network: 'bridge' }]);
    expect((await config('--ip', '172.17.0.9', 'img')).networks).toMatchObject([
      { network: 'bridge', ipv4Address: '172.17.0.9' },
    ]);
  });

  it.each([
    [['--restart', 'sometimes', 'img'], 'invalid argument "sometimes" for "--restart" flag: no such policy'],
    [['--restart', 'always:3', 'img'], 'maximum retry count cannot be used'],
    [['--rm', '--restart', 'always', 'img'], 'conflicting options: cannot specify both --restart and --rm'],
    [['-d', '-a', 'stdout', 'img'], 'conflicting options: cannot specify both --attach and --detach'],
    [['-a', 'foo', 'img'], 'valid streams are STDIN, STDOUT and STDERR'],
    [['--network', 'a', '--network', 'a', 'img'], 'network "a" is specified multiple times'],
    [['--network', 'host', '--ip', '10.0.0.1', 'img'], 'takes no other network and no address'],
    [['--network', 'name=a,ip=10.0.0.1', '--ip', '10.0.0.2', 'img'], 'the network itself says 10.0.0.1'],
    [['--ip', '10.0.0', 'img'], 'invalid argument "10.0.0" for "--ip" flag'],
    [['--mac-address', 'zz', 'img'], 'zz is not a valid mac address'],
    [['-v', '/a::/b', 'img'], 'invalid spec: /a::/b: empty section between colons'],
    [['-v', '/a:b', 'img'], "invalid mount path: 'b' mount path must be absolute"],
    [['-v', '/a:/b:zz', 'img'], 'invalid mode: zz'],
    [['-v', '/a:/b', '--tmpfs', '/b', 'img'], 'Duplicate mount point: /b'],
    [['--tmpfs', '/b:relatime', 'img'], 'invalid tmpfs option "relatime"'],
    [['--memory-swap', '1g', 'img'], 'it needs a limit of memory'],
    [['-m', '64m', '--memory-swap', '32m', 'img'], 'it is memory and swap together, and less than the memory'],
    [['--log-driver', 'syslog', 'img'], 'there is no log driver "syslog"'],
    [['--device', 'x', 'img'], 'invalid device "x"'],
    [['-p', 'x:80', 'img'], '"x" is not a port'],
    [['-p', 'mode=ingress,target=80', 'img'], 'publishes on its own machine only'],
    [['-p', 'published=80,target=80,scheduler=lc,affinity=5m', 'img'], 'scheduler=lc,affinity=5m0s: all connections'],
    [['--expose', '80:80', 'img'], 'invalid port format for --expose'],
    [['--memory', '1q', 'img'], '"1q" is not a size'],
    [['--sysctl', 'a', 'img'], "sysctl 'a' is not allowed"],
    [['--privileged', 'img'], '--privileged is not supported: privileged containers are not run here'],
    [['--health-interval', '5', 'img'], '"5" is not a duration'],
    [['--no-healthcheck', '--health-cmd', 'true', 'img'], '--no-healthcheck conflicts with --health-cmd'],
    [['--security-opt', 'seccomp=x', 'img'], 'There is no-new-privileges'],
    [[''], 'invalid reference format'],
  ])('%j is refused', async (argv, words) => {
    const text = await config(...argv).then(
      () => 'accepted',
      (error: { text: string }) => error.text,
    );
    expect(text).toContain(words);
  });
});

describe('run - streams', () => {
  it.each([
    [{}, ['stdout', 'stderr']],
    [{ interactive: true }, ['stdin', 'stdout', 'stderr']],
    [{ detach: true, interactive: true }, []],
    [{ attach: ['STDIN', 'stdout'] }, ['stdin', 'stdout']],
    [{ attach: ['stderr'], interactive: true }, ['stderr']],
  ])('%j', (flags, streams) => {
    expect([...attachedStreams(new Flags(flags))]).toEqual(streams);
  });
});
