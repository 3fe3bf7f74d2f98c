import { describe, expect, it } from 'vitest';
import { checkVolumeDriver, checkVolumeName } from './volumes.js';

describe('name of a volume', () => {
  it.each(['db', 'db-1', 'a_b.c', 'A0'.repeat(120)])('may be %s', (name) => {
    expect(() => checkVolumeName(name)).not.toThrow();
  });

  it.each(['', 'a', '.hidden', '-x', 'a/b', 'a b', '../up', 'x'.repeat(256), 'data-{{.Task.Slot}}'])(
    'is not "%s"',
    (name) => {
      expect(() => checkVolumeName(name)).toThrow(`"${name}" is not a name for a volume`);
    },
  );

  it('may have placeholders where they are filled in', () => {
    expect(() => checkVolumeName('data-{{.Task.Slot}}', { templates: true })).not.toThrow();
    expect(() => checkVolumeName('{{.Service.Name}}', { templates: true })).not.toThrow();
    expect(() => checkVolumeName('{{.Service.Name}}/x', { templates: true })).toThrow('is not a name');
  });
});

describe('driver of a volume', () => {
  it.each<Record<string, string>>([
    {},
    { type: 'tmpfs', device: 'tmpfs', o: 'size=64m,uid=1000' },
    { type: 'none', device: '/srv/data', o: 'bind' },
    { type: 'none', device: '/srv/data', o: 'rbind,ro' },
    { type: 'nfs', device: ':/export', o: 'addr=192.0.2.1,rw' },
    { type: 'nfs4', device: 'server:/export' },
  ])('takes %j', (options) => {
    expect(() => checkVolumeDriver('local', options)).not.toThrow();
    expect(() => checkVolumeDriver('', options)).not.toThrow();
  });

  it.each<[string, Record<string, string>, string]>([
    ['rexray', {}, 'there is no volume driver "rexray"'],
    ['local', { size: '10g' }, 'invalid option: "size"'],
    ['local', { type: 'tmpfs' }, 'missing required option: "device"'],
    ['local', { device: '/srv', o: 'bind' }, 'missing required option: "type"'],
    ['local', { type: 'none', device: '/srv' }, 'type "none" needs o=bind'],
    ['local', { type: 'none', device: 'srv', o: 'bind' }, '"srv" cannot be bound'],
    ['local', { type: 'nfs', device: ':/export', o: 'rw' }, '":/export" is not a folder of an NFS server'],
    ['local', { type: 'cifs', device: '//server/x' }, 'volumes of type "cifs" are not there'],
  ])('%s with %j - %s', (driver, options, message) => {
    expect(() => checkVolumeDriver(driver, options)).toThrow(message);
  });
});
