import { execFile } from 'node:child_process';
import { access, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeRootfsArchive } from '../../demo/image.js';
import { IMAGE, useMachine } from './machine.js';

const execute = promisify(execFile);
const machine = useMachine();
/** Has files of user 1000 at /seed, and declares /seed and /logs to be volumes. */
const SEEDED = 'seeded:latest';

interface Inspected {
  readonly Mountpoint: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Options: Readonly<Record<string, string>> | null;
}
interface MountPoint {
  readonly Type: string;
  readonly Name: string;
  readonly Source: string;
  readonly Destination: string;
  readonly RW: boolean;
}

const volume = async (name: string): Promise<Inspected> => {
  const [found] = JSON.parse(await machine.run('volume', 'inspect', name)) as Inspected[];
  if (!found) throw new Error(`${name} is not there`);
  return found;
};
const names = async (...flags: string[]) =>
  (await machine.run('volume', 'ls', '-q', ...flags)).split('\n').filter(Boolean);
const mountsOf = async (ref: string) =>
  JSON.parse(await machine.run('inspect', '-f', '{{json .Mounts}}', ref)) as MountPoint[];
const sh = (...args: string[]) => [...args.slice(0, -1), IMAGE, 'sh', '-c', args.at(-1) ?? ''];
const kernelMounts = async () => readFile('/proc/self/mountinfo', 'utf8');

beforeAll(async () => {
  const { archive, remove } = await makeRootfsArchive();
  const extra = await mkdtemp(path.join(tmpdir(), 'tsswarm-seed-'));
  try {
    const seed = path.join(extra, 'seed');
    await mkdir(seed, { mode: 0o750 });
    await writeFile(path.join(seed, 'file'), 'from the image\n', { mode: 0o640 });
    await symlink('file', path.join(seed, 'link'));
    await symlink('seed', path.join(extra, 'alias'));
    for (const name of ['', 'file']) await chown(path.join(seed, name), 1000, 1001);
    await execute('tar', ['-rf', archive, '-C', extra, 'seed', 'alias']);
    const changes = ['CMD ["sleep", "1000"]', 'ENV PATH=/bin', 'VOLUME /seed /logs'];
    await machine.run('image', 'import', ...changes.flatMap((change) => ['--change', change]), archive, SEEDED);
  } finally {
    await remove();
    await rm(extra, { recursive: true, force: true });
  }
});

afterEach(async () => {
  await machine.clear();
  // What tests have mounted by options is gone from the kernel with their containers.
  expect(await kernelMounts()).not.toContain(`${machine.folder}/data/volumes`);
});

describe('volume', () => {
  test('create, ls, inspect, rm - as docker shows them', async () => {
    expect(await machine.run('volume', 'create', '--label', 'a=b', 'data')).toBe('data\n');
    expect(await machine.run('volume', 'ls')).toBe('DRIVER    VOLUME NAME\nlocal     data\n');
    const inspected = JSON.parse(await machine.run('volume', 'inspect', 'data')) as object[];
    expect(inspected).toEqual([
      {
        CreatedAt: expect.stringMatching(/^20\d\d-\d\d-\d\dT/),
        Driver: 'local',
        Labels: { a: 'b' },
        Mountpoint: `${machine.folder}/data/volumes/data/_data`,
        Name: 'data',
        Options: null,
        Scope: 'local',
      },
    ]);
    expect(JSON.parse(await machine.run('inspect', '--type', 'volume', 'data'))).toEqual(inspected);
    const { Mountpoint } = await volume('data');
    expect((await stat(Mountpoint)).mode & 0o777).toBe(0o755);
    expect(await machine.run('volume', 'rm', 'data')).toBe('data\n');
    await expect(access(Mountpoint)).rejects.toThrow('ENOENT');
    expect(await machine.outcome('volume', 'rm', 'data')).toMatchObject({
      code: 1,
      stderr: 'Error: No such volume: data\n',
    });
    expect((await machine.outcome('volume', 'rm', '-f', 'data')).code).toBe(0);
  });

  test('what cannot be is refused in words', async () => {
    const refusals: readonly (readonly [readonly string[], string])[] = [
      [['create', '-d', 'nas', 'data'], 'there is no volume driver "nas"'],
      [['create', '-o', 'type=cifs', '-o', 'device=//x/y', 'data'], 'volumes of type "cifs" are not there'],
      [['ls', '--filter', 'colour=red'], "invalid filter 'colour'"],
    ];
    for (const [args, words] of refusals) {
      const { code, stderr } = await machine.outcome('volume', ...args);
      expect(code).toBe(1);
      expect(stderr).toContain(words);
    }
  });
});

describe('run -v', () => {
  test('keeps data beyond containers, and is not removed while one has it', async () => {
    await machine.run('run', ...sh('--rm', '-v', 'data:/data', 'echo kept > /data/file'));
    const { Mountpoint } = await volume('data');
    expect(await readFile(path.join(Mountpoint, 'file'), 'utf8')).toBe('kept\n');
    const id = (await machine.run('create', '--name', 'reader', '-v', 'data:/in:ro', IMAGE, 'cat', '/in/file')).trim();
    expect(await mountsOf('reader')).toMatchObject([
      { Type: 'volume', Name: 'data', Source: Mountpoint, Destination: '/in', RW: false },
    ]);
    const busy = await machine.outcome('volume', 'rm', 'data');
    expect(busy.stderr).toContain(`remove data: volume is in use - [reader (${id.slice(0, 12)})]`);
    expect(await machine.run('start', '-a', 'reader')).toBe('kept\n');
    expect(await machine.run('ps', '-aq', '--filter', 'volume=data', '--no-trunc')).toBe(`${id}\n`);
    expect(await machine.run('ps', '-aq', '--filter', 'volume=other')).toBe('');
    const refused = await machine.outcome('run', ...sh('--rm', '-v', 'data:/in:ro', 'echo x > /in/file'));
    expect(refused.stderr).toContain('Read-only file system');
    await machine.run('rm', 'reader');
    expect(await names()).toEqual(['data']);
  });

  test('anonymous ones go with --rm and rm -v, and stay with rm', async () => {
    await machine.run('run', '--rm', '-v', '/scratch', IMAGE, 'touch', '/scratch/x');
    expect(await names()).toEqual([]);
    await machine.run('run', '--name', 'one', '-v', '/scratch', '-v', 'named:/named', IMAGE, 'touch', '/scratch/x');
    const [anonymous = ''] = (await names()).filter((name) => name !== 'named');
    expect(anonymous).toMatch(/^[0-9a-f]{64}$/);
    expect(await names('--filter', 'dangling=true')).toEqual([]);
    await machine.run('rm', 'one');
    expect(await names('--filter', 'dangling=true')).toEqual([anonymous, 'named']);
    expect(await machine.run('volume', 'prune', '-f')).toBe(`Deleted Volumes:\n${anonymous}\n\n`);
    await machine.run('run', '--name', 'two', '-v', '/scratch', '-v', 'named:/named', IMAGE, 'true');
    await machine.run('rm', '-v', 'two');
    expect(await names()).toEqual(['named']);
  });

  test('begins with what the image has there, owners and all, unless nocopy', async () => {
    const list = 'stat -c "%u:%g %a %n" /seed /seed/file; readlink /seed/link; cat /seed/file';
    const seeded = '1000:1001 750 /seed\n1000:1001 640 /seed/file\nfile\nfrom the image\n';
    expect(await machine.run('run', '--rm', '-v', 'data:/seed', SEEDED, 'sh', '-c', list)).toBe(seeded);
    // By a link in the image too; and only once.
    expect(await machine.run('run', '--rm', '-v', 'other:/alias', SEEDED, 'ls', '/alias')).toBe('file\nlink\n');
    await machine.run('run', '--rm', '-v', 'data:/seed', SEEDED, 'sh', '-c', 'echo mine > /seed/file');
    expect(await machine.run('run', '--rm', '-v', 'data:/seed', SEEDED, 'cat', '/seed/file')).toBe('mine\n');
    expect(await machine.run('run', '--rm', '-v', 'bare:/seed:nocopy', SEEDED, 'ls', '/seed')).toBe('');
    const file = await machine.outcome('run', '--rm', '-v', 'data2:/seed/file', SEEDED, 'true');
    expect(file.code).toBe(125);
    expect(file.stderr).toContain('cannot mount a volume over an existing file: file exists /seed/file');
  });

  test("an image's VOLUMEs are anonymous volumes, where nothing else is mounted", async () => {
    await machine.run('run', '-d', '--name', 'one', '--read-only', '--tmpfs', '/logs', SEEDED);
    const [seed, ...more] = (await mountsOf('one')).filter(({ Type }) => Type === 'volume');
    expect(more).toEqual([]);
    expect(seed).toMatchObject({ Destination: '/seed', RW: true });
    expect((await volume(seed?.Name ?? '')).Labels).toEqual({ 'com.docker.volume.anonymous': '' });
    expect((await readdir(seed?.Source ?? '')).sort()).toEqual(['file', 'link']);
    await machine.run('exec', 'one', 'touch', '/seed/written');
    await machine.run('restart', '-t', '0', 'one');
    expect(await machine.run('exec', 'one', 'ls', '/seed')).toBe('file\nlink\nwritten\n');
    await machine.run('rm', '-fv', 'one');
    expect(await names()).toEqual([]);
  });
});

describe('--mount type=volume', () => {
  test('labels and options make it; a tmpfs is there while a container runs', async () => {
    const options = 'volume-opt=type=tmpfs,volume-opt=device=tmpfs,"volume-opt=o=size=1m,mode=1770"';
    const mount = `type=volume,source=fast,target=/fast,volume-label=a=b,${options}`;
    await machine.run('run', '-d', '--name', 'one', '--mount', mount, IMAGE, 'sleep', '1000');
    expect(await volume('fast')).toMatchObject({
      Labels: { a: 'b' },
      Options: { device: 'tmpfs', o: 'size=1m,mode=1770', type: 'tmpfs' },
    });
    expect(await machine.run('exec', 'one', 'sh', '-c', 'stat -c %a /fast; df -k /fast | tail -1')).toMatch(
      /^1770\ntmpfs +1024 /,
    );
    await machine.run('run', '-d', '--name', 'two', '-v', 'fast:/fast', IMAGE, 'sleep', '1000');
    await machine.run('exec', 'one', 'touch', '/fast/seen');
    await machine.run('kill', 'one');
    expect(await machine.run('exec', 'two', 'ls', '/fast')).toBe('seen\n');
    await machine.restart();
    expect(await machine.run('exec', 'two', 'ls', '/fast')).toBe('seen\n');
    await machine.run('kill', 'two');
    await expect.poll(kernelMounts).not.toContain(`${machine.folder}/data/volumes`);
    await machine.run('start', 'two');
    expect(await machine.run('exec', 'two', 'ls', '/fast')).toBe('');
    const other = await machine.outcome('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=none', 'fast');
    expect(other.stderr).toContain('volume "fast" is there already, with other options');
  });

  test('a folder that is bound stays when the volume goes', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-bound-'));
    try {
      await writeFile(path.join(folder, 'precious'), 'x');
      await machine.run('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', `device=${folder}`, 'bound');
      await machine.run('run', '-d', '--name', 'one', '-v', 'bound:/in', IMAGE, 'sleep', '1000');
      expect(await machine.run('exec', 'one', 'ls', '/in')).toBe('precious\n');
      await machine.run('rm', '-f', 'one');
      await machine.run('volume', 'rm', 'bound');
      expect(await readdir(folder)).toEqual(['precious']);
      const gone = ['-o', 'type=none', '-o', 'o=bind', '-o', `device=${folder}/no`];
      await machine.run('volume', 'create', ...gone, 'gone');
      const { code, stderr } = await machine.outcome('run', '--rm', '-v', 'gone:/in', IMAGE, 'true');
      expect(code).toBe(125);
      expect(stderr).toMatch(/volume "gone" cannot be mounted: .*does not exist/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test('volume-subpath - a part of it, which no link leads out of', async () => {
    await machine.run(
      'run',
      ...sh(
        '--rm',
        '-v',
        'data:/d',
        'mkdir -p /d/part/in; echo x > /d/part/in/file; ln -s /etc /d/out; ln -s part /d/to',
      ),
    );
    const part = (subpath: string) => `type=volume,source=data,target=/in,volume-subpath=${subpath}`;
    await machine.run('run', '-d', '--name', 'one', '--mount', part('to/in'), IMAGE, 'sleep', '1000');
    expect(await machine.run('exec', 'one', 'cat', '/in/file')).toBe('x\n');
    await machine.run('restart', '-t', '0', 'one');
    expect(await machine.run('exec', 'one', 'ls', '/in')).toBe('file\n');
    await machine.run('rm', '-f', 'one');
    const out = await machine.outcome('run', '--rm', '--mount', part('out'), IMAGE, 'ls', '/in');
    expect(out.stderr).toContain('volume "data" has no path "out"');
    expect(await machine.run('run', ...sh('--rm', '-v', 'data:/d', 'cat /d/part/in/file'))).toBe('x\n');
  });
});

describe('after kill -9 of the daemon', () => {
  test('containers have their volumes, and anonymous ones still go with them', async () => {
    await machine.run('run', '-d', '--rm', '--name', 'one', '-v', '/a', '-v', 'data:/data', IMAGE, 'sleep', '1000');
    await machine.run('create', '--name', 'two', '-v', '/a', '-v', 'data:/data', IMAGE, 'touch', '/data/two');
    expect(await names()).toHaveLength(3);
    await machine.restart();
    expect(await names()).toHaveLength(3);
    expect((await machine.outcome('volume', 'rm', 'data')).stderr).toMatch(/in use - \[.*(one|two) .*(one|two) /);
    await machine.run('kill', 'one');
    await machine.run('start', '-a', 'two');
    await machine.run('rm', '-v', 'two');
    await expect.poll(() => names()).toEqual(['data']);
    expect(await readdir((await volume('data')).Mountpoint)).toEqual(['two']);
  });
});
