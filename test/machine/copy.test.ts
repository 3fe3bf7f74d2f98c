import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { BINARY, execute } from '../../demo/cli.js';
import { IMAGE, useMachine } from './machine.js';

const machine = useMachine();
/** Of this machine, emptied before each test. */
let here: string;
const FILES = 'mkdir -p /d/sub; echo one > /d/f; chmod 640 /d/f; ln -s f /d/l; echo two > /d/sub/g; exec sleep 1000';

beforeEach(async () => {
  here = path.join(machine.folder, 'here');
  await rm(here, { recursive: true, force: true });
  await mkdir(here);
  await machine.run('run', '-d', '--name', 'box', IMAGE, 'sh', '-c', FILES);
  await expect.poll(async () => (await machine.outcome('exec', 'box', 'cat', '/d/sub/g')).stdout).toBe('two\n');
});

const tree = async (folder: string) => (await readdir(folder, { recursive: true })).sort();
const inBox = async (folder: string) =>
  (await machine.run('exec', '-w', folder, 'box', 'find', '.')).trim().split('\n').sort().slice(1);

test('cp from a container - files and folders, under their names or new ones', async () => {
  await machine.run('cp', 'box:/d', here);
  expect(await tree(here)).toEqual(['d', 'd/f', 'd/l', 'd/sub', 'd/sub/g']);
  await machine.run('cp', 'box:/d/.', `${here}/new`);
  expect(await tree(`${here}/new`)).toEqual(['f', 'l', 'sub', 'sub/g']);
  await machine.run('cp', 'box:/d/f', `${here}/renamed`);
  expect(await readFile(`${here}/renamed`, 'utf8')).toBe('one\n');
  expect((await stat(`${here}/renamed`)).mode & 0o777).toBe(0o640);
});

test('cp from a container - links as such, or followed', async () => {
  await machine.run('cp', 'box:/d/l', `${here}/link`);
  await machine.run('cp', '-L', 'box:/d/l', `${here}/file`);
  expect((await execute('readlink', [`${here}/link`])).stdout).toBe('f\n');
  expect(await readFile(`${here}/file`, 'utf8')).toBe('one\n');
});

test('cp to a container - the same rules, and owners are its root', async () => {
  await mkdir(`${here}/src/deep`, { recursive: true });
  await writeFile(`${here}/src/a,b&c`, 'x');
  await machine.run('cp', `${here}/src`, 'box:/d');
  expect(await inBox('/d/src')).toEqual(['./a,b&c', './deep']);
  await machine.run('cp', `${here}/src/.`, 'box:/new');
  expect(await inBox('/new')).toEqual(['./a,b&c', './deep']);
  await machine.run('cp', `${here}/src/a,b&c`, 'box:/d/f');
  expect(await machine.run('exec', 'box', 'cat', '/d/f')).toBe('x');
  expect(await machine.run('exec', 'box', 'stat', '-c', '%u:%g', '/d/f')).toBe('0:0\n');
});

test('cp - into and out of a container that does not run', async () => {
  await writeFile(`${here}/f`, 'kept');
  await machine.run('stop', '-t', '0', 'box');
  await machine.run('cp', `${here}/f`, 'box:/kept');
  await machine.run('cp', 'box:/kept', `${here}/back`);
  expect(await readFile(`${here}/back`, 'utf8')).toBe('kept');
});

test('cp - archives on standard input and output', async () => {
  const pipe = `${BINARY} cp box:/d - | ${BINARY} cp - box:/tmp`;
  await machine.run('exec', 'box', 'mkdir', '-p', '/tmp');
  expect(await execute('sh', ['-ec', pipe], machine.env)).toMatchObject({ code: 0, stderr: '' });
  expect(await inBox('/tmp/d')).toEqual(['./f', './l', './sub', './sub/g']);
});

test('cp - what cannot be is refused in words', async () => {
  const refusals: readonly (readonly [readonly string[], string])[] = [
    [['box:/nope', 'x'], '/nope'],
    [['nobody:/x', 'x'], 'No such container: nobody'],
    [['box:/d', '/etc/passwd'], 'cannot copy directory /d onto the file /etc/passwd'],
    [['box:/d/f', '/nowhere/'], 'no such directory: /nowhere/'],
    [['box:/d/f', '/nowhere/f'], 'directory "/nowhere" does not exist'],
    [['/nowhere', 'box:/'], 'lstat /nowhere: no such file or directory'],
    [['/etc', 'box:/d/f'], 'cannot copy directory /etc onto the file /d/f'],
    [['/etc/passwd', 'box:/nowhere/f'], '/nowhere'],
    [['a', 'b'], 'must specify at least one container source'],
    [['box:/d', 'box:/e'], 'copying between containers is not supported'],
  ];
  for (const [args, words] of refusals) {
    const { code, stderr } = await machine.outcome('cp', ...args);
    expect(stderr, args.join(' ')).toContain(words);
    expect(code, args.join(' ')).toBe(1);
  }
});
