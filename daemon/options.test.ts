import { expect, test } from 'vitest';
import { parseOptions } from './options.js';

test('parseOptions - defaults', () => {
  expect(parseOptions(['--hostname', 'n'], '1')).toEqual({
    dataRoot: '/var/lib/tsswarm',
    runRoot: '/run/tsswarm',
    imageRoot: '/var/lib/tsswarm/images',
    cgroupParent: '/tsswarm',
    hostname: 'n',
    labels: {},
    logLevel: 'info',
    balancer: 'auto',
  });
});

test('parseOptions - metrics are shown where they are asked for, by docker’s port unless another is given', () => {
  const { metricsAddr } = parseOptions(['--metrics-addr', '127.0.0.1'], '1');
  expect(metricsAddr).toEqual({ host: '127.0.0.1', port: 9323 });
  expect(parseOptions(['--metrics-addr', '[::1]:9000'], '1').metricsAddr).toEqual({ host: '::1', port: 9000 });
});

test('parseOptions - images follow the data root; labels are collected', () => {
  const options = parseOptions(
    ['--data-root', '/d/', '--label', 'disk=ssd', '--label', 'zone=a=b', '--label', 'bare'],
    '1',
  );
  expect(options).toMatchObject({
    dataRoot: '/d/',
    imageRoot: '/d/images',
    labels: { disk: 'ssd', zone: 'a=b', bare: '' },
  });
});

test.each([
  [['--data-root', 'relative'], 'Must be an absolute path'],
  [['--metrics-addr', '127.0.0.1:x'], '"127.0.0.1:x" is not an address'],
  [['--cgroup-parent', '/a/../b'], 'Must look like /tsswarm'],
  [['--balancer', 'lvs'], 'Allowed choices are auto, ipvs, nft'],
  [['--log-level', 'loud'], 'Allowed choices are debug, info, warn, error, silent'],
  [['--label', '=x'], 'Must look like key=value'],
  [['--unknown'], "unknown option '--unknown'"],
])('parseOptions - %j is refused', (argv, words) => {
  expect(() => parseOptions(argv, '1')).toThrow(words);
});
