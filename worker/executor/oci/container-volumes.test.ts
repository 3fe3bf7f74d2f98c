import { describe, expect, it } from 'vitest';
import { ANONYMOUS_LABEL } from '../../../lib/volumes.js';
import type { ContainerMount } from '../executor.js';
import { withVolumes } from './container-volumes.js';

const mount = (fields: Partial<ContainerMount>): ContainerMount => ({
  type: 'volume',
  source: '',
  target: '/data',
  readOnly: false,
  propagation: '',
  nonRecursive: false,
  createMountpoint: false,
  tmpfsSizeBytes: 0,
  tmpfsMode: 0,
  ...fields,
});
const names = () => {
  let next = 0;
  return () => `v${++next}`;
};
const short = (mounts: readonly ContainerMount[]) =>
  mounts.map(({ type, source, target }) => `${type} ${source} ${target}`);

describe('volumes of a container', () => {
  it('are those with names, anonymous ones, and the declared ones that no mount takes the place of', () => {
    const mounts = [
      mount({ source: 'db' }),
      mount({ target: '/cache' }),
      mount({ type: 'tmpfs', target: '/run/' }),
      mount({ type: 'bind', source: '/srv', target: '/srv' }),
    ];
    expect(short(withVolumes(mounts, ['/data/', '/logs', '/run', '/srv', '/logs/'], names()))).toEqual([
      'volume db /data',
      'volume v1 /cache',
      'tmpfs  /run/',
      'bind /srv /srv',
      'volume v2 /logs',
    ]);
  });

  it('are labelled when they are anonymous, and keep what was asked for', () => {
    const volume = { noCopy: true, labels: { a: 'b' }, driver: 'local', driverOptions: {}, subpath: '' };
    const [anonymous, named] = withVolumes(
      [mount({ volume }), mount({ source: 'db', target: '/db', volume })],
      [],
      names(),
    );
    expect(anonymous?.volume).toEqual({ ...volume, labels: { a: 'b', [ANONYMOUS_LABEL]: '' } });
    expect(named?.volume).toBe(volume);
  });
});
