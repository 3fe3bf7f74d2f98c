import { expect, test } from 'vitest';
import { overlayOptions, parseMountInfo } from './mounts.js';

test('parseMountInfo - optional fields, and octal for what separates', () => {
  const text = `22 27 0:20 / /sys rw,nosuid shared:7 master:1 - sysfs sysfs rw
35 24 0:31 / /mnt/a\\040b\\134c\\011d rw,relatime - overlay over\\012lay rw,lowerdir=/l
40 24 0:4 net:[4026532201] /run/netns/é rw shared:13 - nsfs nsfs rw
`;
  expect(parseMountInfo(text)).toEqual([
    { source: 'sysfs', target: '/sys', type: 'sysfs' },
    { source: 'over\nlay', target: '/mnt/a b\\c\td', type: 'overlay' },
    { source: 'nsfs', target: '/run/netns/é', type: 'nsfs' },
  ]);
});

test('overlayOptions - commas, colons and backslashes in paths', () => {
  expect(overlayOptions({ lower: ['/a:b', '/c,d'], upper: '/u,p:q', work: '/w\\k' })).toBe(
    'lowerdir=/a\\:b:/c\\,d,upperdir=/u\\,p:q,workdir=/w\\\\k',
  );
});
