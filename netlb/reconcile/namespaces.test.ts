import { expect, test } from 'vitest';
import { parseNamespaceMounts } from './namespaces.js';

test('namespaces - bind mounts that name network namespaces, blanks in their names and all', () => {
  const text = [
    '24 30 0:22 / /proc rw,nosuid - proc proc rw',
    '291 25 0:4 net:[4026532280] /run/netns/a rw shared:3 - nsfs nsfs rw',
    '292 25 0:4 mnt:[4026532281] /run/snap/ns/x.mnt rw - nsfs nsfs rw',
    '293 25 0:4 net:[4026532282] /run/my\\040dir/b rw - nsfs nsfs rw',
    '',
  ].join('\n');
  expect(parseNamespaceMounts(text)).toEqual([
    { inode: 'net:[4026532280]', path: '/run/netns/a' },
    { inode: 'net:[4026532282]', path: '/run/my dir/b' },
  ]);
});
