import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import { ANONYMOUS_LABEL } from '../../lib/volumes.js';
import { VolumeSpec } from '../../proto/gen/index.js';
import { Volumes } from './volumes.js';

const WEB = { id: 'c0ffee000000beef', name: 'web' };
let root: string;
const open = () => Volumes.open({ root, clock: systemClock, log: silentLogger });
const spec = (fields: Partial<VolumeSpec> = {}) => VolumeSpec.create({ name: 'data', ...fields });
const names = (volumes: Volumes) => volumes.all().map((volume) => volume.spec.name);

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tsswarm-volumes-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('a volume', () => {
  it('is a folder and a record that outlive the daemon', async () => {
    const made = await (await open()).create(spec({ labels: { a: 'b' } }));
    expect(made).toMatchObject({ spec: { name: 'data', driver: 'local', labels: { a: 'b' } }, users: [], problem: '' });
    expect(made.mountpoint).toBe(join(root, 'data', '_data'));
    expect((await stat(made.mountpoint)).mode & 0o7777).toBe(0o755);
    expect((await open()).find('data')).toEqual(made);
  });

  it('is answered when it is there, and refused with other options', async () => {
    const volumes = await open();
    const tmpfs = { type: 'tmpfs', device: 'tmpfs' };
    const made = await volumes.create(spec({ driverOptions: tmpfs }));
    expect(await volumes.create(spec())).toEqual(made);
    expect(await volumes.create(spec({ driverOptions: tmpfs }))).toEqual(made);
    const other = { ...tmpfs, o: 'size=1m' };
    await expect(volumes.create(spec({ driverOptions: other }))).rejects.toThrow(
      'volume "data" is there already, with other options',
    );
    await expect(volumes.hold(WEB, spec({ driverOptions: other }))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('without a name is anonymous', async () => {
    const { spec: made } = await (await open()).create(spec({ name: '' }));
    expect(made.name).toMatch(/^[0-9a-f]{64}$/);
    expect(made.labels).toEqual({ [ANONYMOUS_LABEL]: '' });
  });

  it.each([
    [spec({ name: '../etc' }), 'is not a name'],
    [spec({ driver: 'other' }), 'no volume driver'],
  ])('that cannot be leaves nothing: %#', async (asked, message) => {
    await expect((await open()).create(asked)).rejects.toThrow(message);
    expect(await readdir(root)).toEqual([]);
  });
});

describe('removal', () => {
  it('takes the data along', async () => {
    const volumes = await open();
    const { mountpoint } = await volumes.create(spec());
    await writeFile(join(mountpoint, 'file'), 'x');
    await volumes.remove('data');
    expect(await readdir(root)).toEqual([]);
    await expect(volumes.remove('data')).rejects.toThrow('No such volume: data');
  });

  it('is refused with the names of those who have it, until they are gone', async () => {
    const volumes = await open();
    await volumes.hold(WEB, spec());
    await volumes.activate(WEB.id, 'data');
    await volumes.deactivate(WEB.id);
    await expect(volumes.remove('data')).rejects.toThrow('remove data: volume is in use - [web (c0ffee000000)]');
    await volumes.release(WEB.id, []);
    await volumes.remove('data');
  });

  it('of a container takes its anonymous volumes along, but not those that others have', async () => {
    const volumes = await open();
    for (const name of ['mine', 'shared']) await volumes.hold(WEB, spec({ name }));
    await volumes.hold({ id: 'other', name: 'other' }, spec({ name: 'shared' }));
    await volumes.release(WEB.id, ['mine', 'shared', 'never-made']);
    expect(names(volumes)).toEqual(['shared']);
    expect(volumes.find('shared').users).toEqual([{ containerId: 'other', containerName: 'other' }]);
  });
});

describe('prune', () => {
  it('takes anonymous volumes that nobody has, and with all those with names', async () => {
    const volumes = await open();
    const labels = { [ANONYMOUS_LABEL]: '' };
    for (const name of ['free', 'used']) await volumes.create(spec({ name, labels }));
    for (const name of ['named', 'kept']) await volumes.create(spec({ name, labels: { [name]: '' } }));
    await volumes.hold(WEB, spec({ name: 'used' }));
    expect(await volumes.prune([], false)).toEqual(['free']);
    expect(await volumes.prune([{ key: 'label!', values: ['kept'] }], true)).toEqual(['named']);
    await expect(volumes.prune([{ key: 'name', values: ['x'] }], true)).rejects.toThrow("invalid filter 'name'");
    expect(await volumes.prune([{ key: 'all', values: ['1'] }], false)).toEqual(['kept']);
    expect(names(volumes)).toEqual(['used']);
  });
});

describe('after a crash', () => {
  it('a volume that was half-made or half-removed is gone', async () => {
    await (await open()).create(spec());
    await mkdir(join(root, '.making-abc', '_data'), { recursive: true });
    await mkdir(join(root, '.removing-abc', '_data', 'deep'), { recursive: true });
    expect(names(await open())).toEqual(['data']);
    expect(await readdir(root)).toEqual(['data']);
  });

  it('containers say what they have', async () => {
    await (await open()).create(spec());
    const volumes = await open();
    volumes.takeBack(WEB, 'data', true);
    volumes.takeBack(WEB, 'lost', true);
    volumes.settle();
    await expect(volumes.remove('data')).rejects.toThrow('web (c0ffee000000)');
    await expect(volumes.activate(WEB.id, 'lost')).rejects.toThrow('volume "lost" is not there any more');
  });

  it.each([
    ['cut off', (file: string) => truncate(file, 3)],
    ['not there', (file: string) => rm(file)],
    [
      "another's",
      async (file: string) => {
        await (await open()).create(spec({ name: 'other' }));
        await writeFile(file, await readFile(join(root, 'other', 'record')));
      },
    ],
  ])('a record that is %s leaves the data, which is not used', async (_, damage) => {
    const { mountpoint } = await (await open()).create(spec());
    await writeFile(join(mountpoint, 'file'), 'precious');
    await damage(join(root, 'data', 'record'));
    const volumes = await open();
    expect(volumes.find('data').problem).toContain('its record cannot be read');
    await expect(volumes.hold(WEB, spec())).rejects.toThrow('volume "data" cannot be used: its record cannot be read');
    expect(await volumes.prune([], true)).not.toContain('data');
    expect(await readFile(join(mountpoint, 'file'), 'utf8')).toBe('precious');
    await volumes.remove('data');
    expect(names(volumes)).not.toContain('data');
  });
});
