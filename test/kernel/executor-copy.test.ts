import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Headers, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import type { OciExecutor } from '../../worker/executor/oci/index.js';
import { type Ground, never, settings, sh, useGround } from './executor-fixture.js';
import { whole } from './executor-streams.js';

let ground: Ground;
let executor: OciExecutor;

useGround((opened) => {
  ground = opened;
  executor = opened.executor;
});

async function running(fields: Partial<ContainerSettings> = {}): Promise<string> {
  const container = settings(fields);
  await executor.prepare(container, never);
  await executor.start(container.id);
  return container.id;
}

async function inside(id: string, script: string): Promise<string> {
  const settings = { tty: false, stdin: false, env: [], user: '', dir: '', privileged: false, rows: 0, columns: 0 };
  return (await whole(await executor.exec(id, { ...settings, command: ['sh', '-c', script] }))).out;
}

async function bytes(archive: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What tar(1) sees in an archive of a path. */
async function listed(id: string, path: string, follow = false): Promise<string> {
  const { archive } = await executor.copyFrom(id, path, follow);
  return execFileSync('tar', ['-tvf', '-', '--numeric-owner'], { input: await bytes(archive), encoding: 'utf8' });
}

function archiveOf(...entries: (Headers & { readonly content?: string })[]): AsyncIterable<Uint8Array> {
  const all = pack();
  for (const { content, ...header } of entries) all.entry(header, content ?? '');
  all.finalize();
  return all;
}

async function* fromTar(folder: string, ...names: string[]): AsyncGenerator<Uint8Array> {
  yield execFileSync('tar', ['-C', folder, '-cf', '-', ...names], { maxBuffer: 1 << 28 });
}

describe('executor - copy from', () => {
  it('gives a tree with all kinds of files, as tar reads it', async () => {
    const script = `mkdir -p /d/sub; echo hi > /d/f; ln /d/f /d/g; ln -s f /d/link; mkfifo /d/pipe; mknod /d/null c 1 3;
      chown 12:34 /d/f; chmod 4750 /d/f; echo deep > /d/sub/file; touch "/d/${'n'.repeat(150)}"; sleep 1000`;
    const id = await running(sh(script));
    await expect.poll(() => inside(id, 'ls /d/n*')).toContain('nnn');
    const text = await listed(id, '/d');
    expect(text).toMatch(/^drwxr-xr-x 0\/0 .* d\/$/m);
    expect(text).toMatch(/^-rwsr-x--- 12\/34 +3 .* d\/f$/m);
    expect(text).toMatch(/^h.* d\/g link to d\/f$/m);
    expect(text).toMatch(/^l.* d\/link -> f$/m);
    expect(text).toMatch(/^p.* d\/pipe$/m);
    expect(text).toMatch(/^c.* 1,3 .* d\/null$/m);
    expect(text).toMatch(/ d\/n{150}$/m);
    expect(text).toMatch(/ d\/sub\/file$/m);
    const { stat } = await executor.copyFrom(id, '/d/f', false);
    expect(stat).toMatchObject({ name: 'f', size: 3, mode: 0o104750 });
    await executor.remove(id);
  });

  it('follows links within the container only', async () => {
    const id = await running(
      sh('mkdir /d; echo own > /etc/secret; ln -s ../../../../etc/secret /d/up; ln -s /etc /d/etc; sleep 1000'),
    );
    await expect.poll(() => inside(id, 'ls /d')).toBe('etc\nup\n');
    await writeFile('/etc/tsswarm-copy-test', 'host');
    try {
      expect(await listed(id, '/d/up')).toMatch(/^l.* up -> /);
      expect((await bytes((await executor.copyFrom(id, '/d/up', true)).archive)).includes('own\n')).toBe(true);
      expect((await bytes((await executor.copyFrom(id, '/d/etc/secret', true)).archive)).includes('own\n')).toBe(true);
      await expect(executor.copyFrom(id, '/d/etc/tsswarm-copy-test', true)).rejects.toThrow('no such path');
      await expect(executor.copyFrom(id, '/../../etc/tsswarm-copy-test', true)).rejects.toThrow('no such path');
      await expect(executor.copyFrom(id, '/proc/1/root/etc/secret', true)).rejects.toThrow();
    } finally {
      execFileSync('rm', ['/etc/tsswarm-copy-test']);
    }
    await executor.remove(id);
  });

  it('has what is mounted in a running container, and a stopped one’s own files', async () => {
    const source = join(ground.folder, 'copied');
    await mkdir(source);
    await writeFile(join(source, 'bound'), 'bound');
    const mount = {
      ...{ readOnly: false, propagation: '', nonRecursive: false, createMountpoint: false },
      ...{ tmpfsSizeBytes: 0, tmpfsMode: 0 },
    };
    const mounts = [
      { ...mount, type: 'bind' as const, source, target: '/bind' },
      { ...mount, type: 'tmpfs' as const, source: '', target: '/memory' },
    ];
    const id = await running({ ...sh('echo t > /memory/file; echo kept > /own; sleep 1000'), mounts });
    await expect.poll(() => inside(id, 'cat /own')).toBe('kept\n');
    expect(await listed(id, '/bind')).toContain('bind/bound');
    expect(await listed(id, '/memory')).toContain('memory/file');
    await executor.kill(id, 'KILL');
    await executor.wait(id, never);
    expect((await bytes((await executor.copyFrom(id, '/own', false)).archive)).includes('kept\n')).toBe(true);
    await executor.copyTo(id, '/', archiveOf({ name: 'later', content: 'put' }), false);
    expect(await listed(id, '/later')).toContain(' later\n');
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(id);
    await executor.remove(id);
  });

  it('streams large files without taking them into memory, and may be given up', async () => {
    const id = await running(sh('dd if=/dev/zero of=/big bs=1M count=300; touch /done; sleep 1000'));
    await expect.poll(() => inside(id, 'ls /done'), { timeout: 10_000 }).toContain('done');
    let size = 0;
    let most = 0;
    for await (const chunk of (await executor.copyFrom(id, '/big', false)).archive) {
      size += chunk.length;
      if (size % (1 << 24) < chunk.length) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        most = Math.max(most, process.memoryUsage().arrayBuffers);
      }
    }
    expect(size).toBeGreaterThan(300 * 2 ** 20);
    expect(most).toBeLessThan(100 * 2 ** 20);
    for await (const _ of (await executor.copyFrom(id, '/big', false)).archive) break;
    await executor.remove(id);
  });
});

describe('executor - copy to', () => {
  it('makes what tar has, with its owners or root’s', async () => {
    const folder = join(ground.folder, 'put');
    await mkdir(join(folder, 'd/sub'), { recursive: true });
    await writeFile(join(folder, 'd/f'), 'x'.repeat(200_000));
    await writeFile(join(folder, 'd/sub/run'), '#!');
    execFileSync('chown', ['12:34', join(folder, 'd/f')]);
    execFileSync('chmod', ['4755', join(folder, 'd/sub/run')]);
    execFileSync('touch', ['-d', '@1000000000', join(folder, 'd/sub/run'), join(folder, 'd/sub')]);
    await symlink('f', join(folder, 'd/link'));
    execFileSync('ln', [join(folder, 'd/f'), join(folder, 'd/hard')]);
    const id = await running();
    await executor.copyTo(id, '/tmp', fromTar(folder, 'd'), false);
    expect(await inside(id, 'stat -c "%n %u %g %a %h %s" /tmp/d/f /tmp/d/sub/run')).toBe(
      '/tmp/d/f 0 0 644 2 200000\n/tmp/d/sub/run 0 0 4755 1 2\n',
    );
    expect(await inside(id, 'stat -c %Y /tmp/d/sub /tmp/d/sub/run; head -c 3 /tmp/d/link')).toBe(
      '1000000000\n1000000000\nxxx',
    );
    await executor.copyTo(id, '/tmp', fromTar(folder, 'd'), true);
    expect(await inside(id, 'stat -c "%u %g" /tmp/d/f')).toBe('12 34\n');
    await executor.remove(id);
  });

  it('never writes outside of the container', async () => {
    const outside = join(ground.folder, 'outside');
    await mkdir(outside);
    const id = await running(sh(`mkdir -p ${outside}; ln -s ${outside} /tmp/out; sleep 1000`));
    await expect.poll(() => inside(id, 'ls /tmp')).toContain('out');
    await executor.copyTo(id, '/tmp', archiveOf({ name: 'out/file', content: 'a' }), false);
    await executor.copyTo(
      id,
      '/tmp',
      archiveOf(
        { name: 'way', type: 'symlink', linkname: outside },
        { name: 'way/through', content: 'b' },
        { name: 'stolen', type: 'symlink', linkname: join(outside, 'c') },
        { name: 'stolen', content: 'c' },
      ),
      false,
    );
    expect(existsSync(join(outside, 'file')) || existsSync(join(outside, 'through'))).toBe(false);
    expect(await inside(id, `cat ${outside}/file ${outside}/through /tmp/stolen`)).toBe('abc');
    for (const name of ['../up', 'd/../../up']) {
      await expect(executor.copyTo(id, '/tmp', archiveOf({ name, content: 'x' }), false)).rejects.toThrow(
        'outside of its folder',
      );
    }
    await executor.remove(id);
  });

  it('is not led out by a container that swaps a folder and a link all the time', async () => {
    const outside = join(ground.folder, 'target');
    await mkdir(outside);
    const script = `mkdir -p ${outside} /tmp/real; ln -s ${outside} /tmp/lure
      while :; do mv /tmp/real /tmp/d 2>/dev/null; mv /tmp/d /tmp/real; mv /tmp/lure /tmp/d; mv /tmp/d /tmp/lure; done`;
    const id = await running(sh(script));
    for (let i = 0; i < 60; i++) {
      const archive = archiveOf({ name: `d/${i}`, content: 'x' }, { name: `d/sub/${i}`, content: 'y' });
      await executor.copyTo(id, '/tmp', archive, false).catch(() => undefined);
    }
    expect(execFileSync('ls', [outside], { encoding: 'utf8' })).toBe('');
    await executor.remove(id);
  });

  it('writes into files that are mounted, and keeps folders folders', async () => {
    const id = await running();
    await executor.copyTo(id, '/etc', archiveOf({ name: 'hosts', content: '192.0.2.9 new\n' }), false);
    expect(await inside(id, 'cat /etc/hosts')).toBe('192.0.2.9 new\n');
    const file = archiveOf({ name: 'tmp', content: 'x' });
    await expect(executor.copyTo(id, '/', file, false)).rejects.toThrow(
      'cannot overwrite directory "tmp" with non-directory',
    );
    await executor.remove(id);
  });

  it('leaves the folder itself as it is, however its path is written', async () => {
    const id = await running(sh('chmod 1777 /tmp; echo ready; sleep 1000'));
    await expect.poll(() => inside(id, 'stat -c %a /tmp')).toBe('1777\n');
    for (const path of ['/tmp', '/tmp/', 'tmp/.']) {
      const archive = archiveOf({ name: './', type: 'directory', mode: 0o700 }, { name: './file', content: path });
      await executor.copyTo(id, path, archive, false);
      expect(await inside(id, 'stat -c %a /tmp; cat /tmp/file')).toBe(`1777\n${path}`);
    }
    await executor.remove(id);
  });

  it('names a folder that is not there, and what is no archive', async () => {
    const id = await running();
    const empty = () => archiveOf({ name: 'f', content: '' });
    await expect(executor.copyTo(id, '/nowhere', empty(), false)).rejects.toThrow('no such path in the container');
    await expect(executor.copyTo(id, '/etc/passwd', empty(), false)).rejects.toThrow('not a directory');
    async function* noise() {
      yield Buffer.alloc(2048, 'x');
    }
    await expect(executor.copyTo(id, '/tmp', noise(), false)).rejects.toThrow('not a tar archive');
    async function* cut() {
      yield (await bytes(archiveOf({ name: 'f', content: 'x'.repeat(2000) }))).subarray(0, 1500);
    }
    await expect(executor.copyTo(id, '/tmp', cut(), false)).rejects.toThrow('not a tar archive');
    async function* failing() {
      yield Buffer.alloc(0);
      throw new Error('the caller is gone');
    }
    await expect(executor.copyTo(id, '/tmp', failing(), false)).rejects.toThrow(/^the caller is gone$/);
    await executor.remove(id);
    const sealed = await running({ readOnly: true });
    await expect(executor.copyTo(sealed, '/tmp', empty(), false)).rejects.toThrow('read-only file system');
    await executor.remove(sealed);
  });
});
