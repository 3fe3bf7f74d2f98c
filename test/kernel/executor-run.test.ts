import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ContainerMount, ContainerSettings } from '../../worker/executor/executor.js';
import { everything, type Ground, never, settings, sh, useGround } from './executor-fixture.js';

let ground: Ground;

useGround((opened) => {
  ground = opened;
});

/** Runs to the end and gives exit and output. */
async function run(fields: Partial<ContainerSettings>): Promise<{ code: number; oomKilled: boolean; output: string }> {
  const { executor } = ground;
  const container = settings(fields);
  await executor.prepare(container, never);
  await executor.start(container.id);
  const { code, oomKilled } = await executor.wait(container.id, never);
  let output = '';
  for await (const line of executor.logs(container.id, everything, never)) output += Buffer.from(line.data).toString();
  await executor.remove(container.id);
  return { code, oomKilled, output };
}

const output = async (fields: Partial<ContainerSettings>): Promise<string> => (await run(fields)).output.trim();

const mount = (fields: Partial<ContainerMount>): ContainerMount => ({
  type: 'bind',
  source: '',
  target: '/mnt',
  readOnly: false,
  propagation: '',
  nonRecursive: false,
  createMountpoint: false,
  tmpfsSizeBytes: 0,
  tmpfsMode: 0,
  ...fields,
});

describe('executor - run', () => {
  it('runs a command and keeps its output and exit code', async () => {
    const result = await run(sh('echo out; echo err >&2; exit 7'));
    expect(result.code).toBe(7);
    expect(result.output.split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  it('exits with 128 + n by signal n', async () => {
    const { executor } = ground;
    const container = settings({ args: ['sleep', '100'] });
    await executor.prepare(container, never);
    await executor.start(container.id);
    await executor.kill(container.id, 'SIGKILL');
    expect((await executor.wait(container.id, never)).code).toBe(137);
    await executor.remove(container.id);
  });

  it('has the environment of image and settings', async () => {
    const env = (await output({ args: ['env'], env: ['A=1', 'GREETING=bye'], hostname: 'box' })).split('\n');
    expect(env).toEqual(expect.arrayContaining(['A=1', 'GREETING=bye', 'HOSTNAME=box', 'HOME=/root']));
    expect(await output({ ...sh('hostname; cat /etc/hostname'), hostname: 'box' })).toBe('box\nbox');
    const id = settings().id;
    expect(await output({ id, args: ['hostname'], networkNamespace: '/proc/self/ns/net' })).toBe(id.slice(0, 12));
  });

  it('has an init that reaps processes, where it is asked for', async () => {
    expect(await output({ ...sh('cat /proc/1/comm'), init: true })).toBe('docker-init');
    expect((await run({ ...sh('exit 9'), init: true })).code).toBe(9);
  });

  it('makes the working directory', async () => {
    expect(await output({ args: ['pwd'], dir: '/made/for/it' })).toBe('/made/for/it');
  });

  it('runs as a user of the image', async () => {
    expect(await output({ args: ['id'], user: 'web' })).toMatch(
      /^uid=1000\(web\) gid=1000\(web\) groups=.*2000\(extra\)$/,
    );
    expect(await output({ args: ['id'], user: '5:6', groups: ['extra'] })).toMatch(
      /^uid=5 gid=6 groups=.*2000\(extra\)$/,
    );
    const caps = await output({ ...sh('grep Cap /proc/self/status'), user: 'web' });
    expect(caps).toMatch(/CapEff:\s+0{16}/);
    await expect(run({ args: ['id'], user: 'nobody-here' })).rejects.toThrow(
      'unable to find user nobody-here: no matching entries in passwd file',
    );
  });

  it('says what the runtime says when it cannot start', async () => {
    const container = settings({ args: ['no-such-program'] });
    await ground.executor.prepare(container, never);
    await expect(ground.executor.start(container.id)).rejects.toThrow(/no-such-program.*not found/);
    expect((await ground.executor.inspect(container.id))?.status).toBe('prepared');
    await ground.executor.remove(container.id);
    expect(await ground.executor.inspect(container.id)).toBeUndefined();
  });

  it('gives docker’s capabilities, more and fewer', async () => {
    const bounding = async (fields: Partial<ContainerSettings>) =>
      /CapBnd:\s+(\S+)/.exec(await output({ ...sh('cat /proc/self/status'), ...fields }))?.[1];
    expect(await bounding({})).toBe('00000000a80425fb');
    expect(await bounding({ capabilityAdd: ['NET_ADMIN'] })).toBe('00000000a80435fb');
    expect(await bounding({ capabilityDrop: ['ALL'], capabilityAdd: ['CAP_CHOWN'] })).toBe('0000000000000001');
  });

  it('refuses what the seccomp filter refuses', async () => {
    expect(await output(sh('grep Seccomp: /proc/self/status'))).toMatch(/2$/);
  });

  it('protects the kernel’s settings', async () => {
    expect((await run(sh('echo 1 > /proc/sys/kernel/panic'))).code).not.toBe(0);
    expect(await output(sh('cat /proc/timer_list | wc -c'))).toBe('0');
    expect(await output(sh('touch /sys/x || echo no'))).toContain('Read-only file system');
  });

  it('can have a root file system that is read-only', async () => {
    expect(await output({ ...sh('touch /x'), readOnly: true })).toContain('Read-only file system');
    expect(await output({ ...sh('touch /x && echo ok') })).toBe('ok');
  });

  it('shares nothing that is written with the next container', async () => {
    await run(sh('echo spoiled > /etc/passwd; rm /bin/ls'));
    expect(await output(sh('head -n1 /etc/passwd; ls -d /bin'))).toBe('root:x:0:0:root:/root:/bin/sh\n/bin');
  });
});

describe('executor - mounts and files', () => {
  it('binds folders read-write and read-only', async () => {
    const source = join(ground.folder, 'shared');
    await mkdir(source);
    expect(await output({ ...sh('echo hi > /mnt/f'), mounts: [mount({ source })] })).toBe('');
    expect(readFileSync(join(source, 'f'), 'utf8')).toBe('hi\n');
    const readOnly = { ...sh('cat /mnt/f; touch /mnt/g'), mounts: [mount({ source, readOnly: true })] };
    expect(await output(readOnly)).toMatch(/^hi\n.*Read-only file system/);
  });

  it('names a bind source that does not exist', async () => {
    await expect(run({ mounts: [mount({ source: '/no/such/path' })] })).rejects.toThrow(
      'invalid mount config for type "bind": bind source path does not exist: /no/such/path',
    );
    const source = join(ground.folder, 'made');
    await run({ args: ['true'], mounts: [mount({ source, createMountpoint: true })] });
    expect((await stat(source)).isDirectory()).toBe(true);
  });

  it('mounts a tmpfs with size and mode', async () => {
    const mounts = [mount({ type: 'tmpfs', tmpfsSizeBytes: 65_536, tmpfsMode: 0o700 })];
    const script = 'grep " /mnt " /proc/mounts; stat -c %a /mnt; dd if=/dev/zero of=/mnt/f bs=1k count=100';
    const text = await output({ ...sh(script), mounts });
    expect(text).toMatch(/tmpfs .*size=64k/);
    expect(text).toContain('\n700\n');
    expect(text).toContain('No space left on device');
  });

  it('shows secrets as files in memory', async () => {
    const files = [{ target: '/run/secrets/key', data: Buffer.from('s3cret'), uid: 1000, gid: 0, mode: 0o400 }];
    const script =
      'cat /run/secrets/key; echo; stat -c "%u %a" /run/secrets/key; grep secrets /proc/mounts; touch /run/secrets/key';
    const text = await output({ ...sh(script), files });
    expect(text).toContain('s3cret\n1000 400\ntmpfs /run/secrets/key tmpfs ro');
    expect(text).toContain('Read-only file system');
  });

  it('writes hosts and resolv.conf', async () => {
    const fields = {
      ...sh('cat /etc/hosts /etc/resolv.conf'),
      hostname: 'box',
      networkNamespace: '/proc/self/ns/net',
      hosts: ['10.9.9.9 other'],
      addresses: ['10.0.1.5/24'],
      dns: { nameservers: ['127.0.0.11'], search: ['example.com'], options: ['ndots:0'] },
    };
    const text = await output(fields);
    expect(text).toContain('10.9.9.9\tother\n10.0.1.5\tbox\n');
    expect(text).toContain('nameserver 127.0.0.11\nsearch example.com\noptions ndots:0');
  });

  it('gives a device', async () => {
    const devices = [{ hostPath: '/dev/null', containerPath: '/dev/nothing', permissions: 'rw' }];
    expect(await output({ ...sh('echo x > /dev/nothing; stat -c %F /dev/nothing'), devices })).toBe(
      'character special file',
    );
    await writeFile(join(ground.folder, 'plain'), '');
    const plain = [{ hostPath: join(ground.folder, 'plain'), containerPath: '', permissions: '' }];
    await expect(run({ devices: plain })).rejects.toThrow('is no device');
  });
});

describe('executor - limits', () => {
  it('sets memory, CPU and process limits in the cgroup', async () => {
    const { executor, cgroupParent } = ground;
    const container = settings({
      resources: { nanoCpus: 5e8, memoryBytes: 64 * 2 ** 20, memorySwapBytes: 0, pids: 50 },
    });
    await executor.prepare(container, never);
    const { pid } = await executor.start(container.id);
    const paths = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
    expect(paths).toContain(`${cgroupParent}/${container.id}`);
    const read = (v1: string, v2: string) => {
      const files = execFileSync('find', ['/sys/fs/cgroup', '-path', `*${cgroupParent}/${container.id}/*`], {
        encoding: 'utf8',
      }).split('\n');
      const file = files.find((path) => path.endsWith(`/${v1}`)) ?? files.find((path) => path.endsWith(`/${v2}`));
      return readFileSync(file ?? '', 'utf8').trim();
    };
    expect(read('memory.limit_in_bytes', 'memory.max')).toBe(String(64 * 2 ** 20));
    expect(read('cpu.cfs_quota_us', 'cpu.max')).toMatch(/^50000/);
    expect(read('pids.max', 'pids.max')).toBe('50');
    await executor.remove(container.id);
  });

  it('tells that a container ran out of memory', async () => {
    const resources = { nanoCpus: 0, memoryBytes: 16 * 2 ** 20, memorySwapBytes: 0, pids: 0 };
    const result = await run({ args: ['tail', '/dev/zero'], resources });
    expect(result).toMatchObject({ code: 137, oomKilled: true });
    expect(await run({ args: ['true'], resources })).toMatchObject({ code: 0, oomKilled: false });
  });

  it('sets swappiness and the OOM score', async () => {
    const resources = { nanoCpus: 0, memoryBytes: 64 * 2 ** 20, memorySwapBytes: 0, memorySwappiness: 13, pids: 0 };
    const { executor, cgroupParent } = ground;
    const container = settings({ ...sh('exec sleep 1000'), resources, oomScoreAdj: 321 });
    await executor.prepare(container, never);
    const { pid } = await executor.start(container.id);
    expect(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8')).toBe('321\n');
    const folder = execFileSync('find', ['/sys/fs/cgroup', '-path', `*memory${cgroupParent}/${container.id}`], {
      encoding: 'utf8',
    }).trim();
    // Of version 1 alone.
    if (folder !== '') expect(readFileSync(join(folder, 'memory.swappiness'), 'utf8')).toBe('13\n');
    await executor.remove(container.id);
  });

  it('does not fail where the daemon may not raise limits', async () => {
    const ulimits = [{ name: 'nofile', soft: 100, hard: 2 ** 40 }];
    expect(await output({ ...sh('ulimit -n'), ulimits })).toBe('100');
  });
});

describe('executor - network namespace', () => {
  it('joins the one it is given', async () => {
    const name = `executor-test-${process.pid}`;
    execFileSync('ip', ['netns', 'add', name]);
    try {
      execFileSync('ip', ['-n', name, 'link', 'add', 'probe0', 'type', 'bridge']);
      const networkNamespace = `/run/netns/${name}`;
      expect(await output({ args: ['ls', '/sys/class/net'], networkNamespace })).toBe('lo\nprobe0');
      const sysctls = { 'net.ipv4.ip_unprivileged_port_start': '80' };
      const script = 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start';
      expect(await output({ ...sh(script), networkNamespace, sysctls })).toBe('80');
      await expect(run({ sysctls })).rejects.toThrow('cannot be set in the node');
    } finally {
      execFileSync('ip', ['netns', 'del', name]);
    }
  });
});

describe('executor - stop', () => {
  it('sends the signal and takes the exit', async () => {
    const { executor } = ground;
    const container = settings(sh('trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done'));
    await executor.prepare(container, never);
    await executor.start(container.id);
    for await (const _ of executor.logs(container.id, { ...everything, follow: true }, never)) break;
    expect((await executor.stop(container.id, 'SIGTERM', 20_000)).code).toBe(5);
    expect((await executor.stop(container.id, 'SIGTERM', 20_000)).code).toBe(5);
    await executor.remove(container.id);
    await executor.remove(container.id);
  });

  it('kills what does not heed it', async () => {
    const { executor } = ground;
    const container = settings({ args: ['sleep', '1000'] });
    await executor.prepare(container, never);
    await executor.start(container.id);
    expect((await executor.stop(container.id, 'SIGTERM', 100)).code).toBe(137);
    await expect(executor.kill(container.id, 'SIGNONSENSE')).rejects.toThrow('invalid signal: SIGNONSENSE');
    await executor.remove(container.id);
    await expect(executor.wait(container.id, never)).rejects.toThrow('No such container');
  });
});

describe('executor - many', () => {
  it('starts and removes thirty containers side by side', async () => {
    const { executor } = ground;
    const containers = Array.from({ length: 30 }, () => settings());
    await Promise.all(
      containers.map(async (container) => {
        await executor.prepare(container, never);
        await executor.start(container.id);
      }),
    );
    const states = await executor.list();
    expect(states.filter(({ status }) => status === 'running')).toHaveLength(30);
    expect(new Set(states.map(({ pid }) => pid)).size).toBe(30);
    await Promise.all(containers.map(({ id }) => executor.remove(id)));
    expect(await executor.list()).toEqual([]);
  });
});
