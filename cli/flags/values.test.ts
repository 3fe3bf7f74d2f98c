import { describe, expect, it } from 'vitest';
import { Mount, MountType, TmpfsOptions, VolumeOptions } from '../../proto/gen/specs.js';
import { csvFields } from './csv.js';
import { Flags } from './flags.js';
import { parseMount } from './mounts.js';
import { shellWords } from './shell-words.js';
import {
  parseConstraint,
  parseEnv,
  parseEnvFile,
  parseFileReference,
  parseGenericResource,
  parseHost,
  parseNetwork,
  parsePlacementPreference,
  parseUlimit,
} from './values.js';

describe('csvFields', () => {
  it.each([
    ['a,b', ['a', 'b']],
    ['a,"b,c",d', ['a', 'b,c', 'd']],
    ['"say ""hi"""', ['say "hi"']],
    ['a,', ['a', '']],
    ['', ['']],
  ])('%j', (text, fields) => {
    expect(csvFields(text)).toEqual(fields);
  });

  it('refuses open quotes and text behind them', () => {
    expect(() => csvFields('"a')).toThrow('a quote is not closed');
    expect(() => csvFields('"a"b')).toThrow('text after a closing quote');
  });
});

describe('parseMount', () => {
  it.each([
    [
      'type=bind,source=/a,target=/b,readonly',
      Mount.create({ type: MountType.BIND, source: '/a', target: '/b', readOnly: true }),
    ],
    [
      'type=bind,src=/a,dst=/b,ro=false,bind-propagation=rshared',
      Mount.create({ type: MountType.BIND, source: '/a', target: '/b', propagation: 'rshared' }),
    ],
    [
      'src=data,destination=/data,volume-driver=local,volume-opt=type=nfs,volume-label=a=b,volume-nocopy',
      Mount.create({
        type: MountType.VOLUME,
        source: 'data',
        target: '/data',
        volume: VolumeOptions.create({
          driver: 'local',
          driverOptions: { type: 'nfs' },
          labels: { a: 'b' },
          noCopy: true,
        }),
      }),
    ],
    [
      'type=tmpfs,target=/tmp,tmpfs-size=64m,tmpfs-mode=1777',
      Mount.create({
        type: MountType.TMPFS,
        target: '/tmp',
        tmpfs: TmpfsOptions.create({ sizeBytes: 64 << 20, mode: 0o1777 }),
      }),
    ],
  ])('%s', (text, mount) => {
    expect(parseMount(text)).toEqual(mount);
  });

  it.each([
    ['type=bind,source=/a', 'the target is missing'],
    ['type=bind,target=/b', 'the source of a bind mount is missing'],
    ['type=bind,source=a,target=/b', 'the source "a" is not absolute'],
    ['type=bind,source=/a,target=b', 'the target "b" is not an absolute path'],
    ['type=disk,target=/b', '"disk" is not a value of type'],
    ['type=tmpfs,source=/a,target=/b', 'a tmpfs mount has no source'],
    ['type=bind,source=/a,target=/b,tmpfs-size=1m', 'tmpfs-* options need type=tmpfs'],
    ['type=bind,source=/a,target=/b,volume-nocopy', 'volume-* options need type=volume'],
    ['source=a,target=/b,bind-propagation=slave', 'bind-* options need type=bind'],
    ['target=/b,size=1', 'unexpected key "size"'],
    ['type=tmpfs,target=/b,tmpfs-mode=999', '"999" is not a file mode'],
    ['type=tmpfs,target=/b,tmpfs-size=lots', '"lots" is not a size'],
    ['target=/b,readonly=perhaps', '"perhaps" is not true or false for readonly'],
  ])('refuses %s', (text, words) => {
    expect(() => parseMount(text)).toThrow(words);
  });
});

describe('small values', () => {
  it('environment variables', () => {
    const env = { HOME: '/root' };
    expect(parseEnv('A=b=c', env)).toEqual(['A=b=c']);
    expect(parseEnv('HOME', env)).toEqual(['HOME=/root']);
    expect(parseEnv('NOT_SET', env)).toEqual([]);
    expect(() => parseEnv('=x', env)).toThrow('"=x" is not an environment variable');
    expect(parseEnvFile('# comment\n\nA=1\n  B=2 \r\nHOME\n', env)).toEqual(['A=1', 'B=2 ', 'HOME=/root']);
    expect(() => parseEnvFile('A B=1', env)).toThrow('contains white space');
  });

  it('networks', () => {
    expect(parseNetwork('back')).toMatchObject({ target: 'back', aliases: [] });
    expect(parseNetwork('name=back,alias=db,alias=sql,driver-opt=a=b,ip=10.0.9.5')).toEqual({
      target: 'back',
      aliases: ['db', 'sql'],
      addresses: [],
      driverOptions: { a: 'b' },
      virtualIp: '10.0.9.5',
    });
    expect(() => parseNetwork('alias=db')).toThrow('the network has no name');
    expect(() => parseNetwork('name=a,colour=red')).toThrow('unexpected key "colour"');
    expect(() => parseNetwork('name=a,ip=10.0.9')).toThrow('"10.0.9" is not an IP address');
  });

  it('hosts, constraints, preferences, limits, resources', () => {
    expect(parseHost('db:10.0.0.5')).toBe('10.0.0.5 db');
    expect(parseHost('db:fd00::5')).toBe('fd00::5 db');
    expect(() => parseHost('10.0.0.5')).toThrow('"10.0.0.5" is not a host mapping');
    expect(() => parseHost('db:x')).toThrow('"x" is not an IP address');
    expect(parseConstraint('node.role == worker')).toBe('node.role == worker');
    expect(() => parseConstraint('node.role=worker')).toThrow('"node.role=worker" is not a constraint');
    expect(parsePlacementPreference('spread=node.labels.zone')).toEqual({ spread: 'node.labels.zone' });
    expect(() => parsePlacementPreference('pack=x')).toThrow('"pack=x" is not a placement preference');
    expect(parseUlimit('nofile=10:20')).toEqual({ name: 'nofile', soft: 10, hard: 20 });
    expect(parseUlimit('nproc=-1')).toEqual({ name: 'nproc', soft: -1, hard: -1 });
    expect(() => parseUlimit('nofile=20:10')).toThrow('is above the hard limit');
    expect(() => parseUlimit('nofile')).toThrow('"nofile" is not a ulimit');
    expect(parseGenericResource('gpu=2')).toEqual({ kind: 'gpu', value: 2 });
    expect(() => parseGenericResource('gpu=many')).toThrow('"gpu=many" is not a generic resource');
  });

  it('secrets and configs', () => {
    expect(parseFileReference('key')).toMatchObject({ name: 'key', target: 'key', mode: 0o444 });
    expect(parseFileReference('source=key,target=/k,uid=5,mode=0400')).toMatchObject({
      name: 'key',
      target: '/k',
      uid: '5',
      gid: '0',
      mode: 0o400,
    });
    expect(() => parseFileReference('target=k')).toThrow('the source is missing');
  });

  it('shell words', () => {
    expect(shellWords(`sh -c 'echo "a b"' "c \\"d" e\\ f ''`)).toEqual(['sh', '-c', 'echo "a b"', 'c "d', 'e f', '']);
    expect(() => shellWords("a 'b")).toThrow('a quote is not closed');
  });
});

describe('Flags', () => {
  it.each([
    ['integer', 'replicas', 'many', 'must be a whole number of 0 or more'],
    ['integer', 'replicas', '-1', 'must be a whole number of 0 or more'],
    ['integer', 'replicas', '1e3', 'must be a whole number of 0 or more'],
    ['duration', 'update-delay', '5 seconds', '"5 seconds" is not a duration'],
    ['duration', 'cert-expiry', '9000h', 'must not be more than 2501h'],
    ['bytes', 'limit-memory', '64 apples', '"64 apples" is not a size'],
    ['cpus', 'limit-cpu', 'half', '"half" is not a number of CPUs'],
    ['ratio', 'update-max-failure-ratio', '1.5', 'must be a number from 0 to 1'],
  ] as const)('%s names flag and value: --%s %s', (getter, flag, value, reason) => {
    const key = flag.replace(/-(.)/g, (_, c: string) => c.toUpperCase());
    expect(() => new Flags({ [key]: value })[getter](flag)).toThrow(
      `invalid argument "${value}" for "--${flag}" flag: ${reason}`,
    );
  });

  it('tells what was given from what was not', () => {
    const flags = new Flags({ init: false, trunc: false, replicas: '0', label: ['a=b'] });
    expect(flags.boolean('init')).toBe(false);
    expect(flags.boolean('tty')).toBeUndefined();
    expect(flags.on('no-trunc')).toBe(true);
    expect(flags.on('no-resolve')).toBe(false);
    expect(flags.integer('replicas')).toBe(0);
    expect(flags.integer('max-concurrent')).toBeUndefined();
    expect(flags.list('label')).toEqual(['a=b']);
    expect(() => new Flags({ mode: 'x' }).choice('mode', ['a', 'b'])).toThrow('must be one of a, b');
  });
});
