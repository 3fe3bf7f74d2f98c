import { describe, expect, it } from 'vitest';
import { resolveUser } from './users.js';

const passwd = 'root:x:0:0:root:/root:/bin/sh\n# comment\nweb:x:1000:1001::/home/web:/bin/sh\nbroken\n';
const group = 'root:x:0:\nweb:x:1001:\nextra:x:2000:root,web\nmore:x:2001:other\n';
const resolve = (user: string, groups: string[] = []) => resolveUser(user, groups, passwd, group);

describe('user of a container', () => {
  it.each([
    ['', { uid: 0, gid: 0, additionalGids: [2000], home: '/root' }],
    ['web', { uid: 1000, gid: 1001, additionalGids: [2000], home: '/home/web' }],
    ['1000', { uid: 1000, gid: 1001, additionalGids: [2000], home: '/home/web' }],
    ['web:extra', { uid: 1000, gid: 2000, additionalGids: [], home: '/home/web' }],
    ['5', { uid: 5, gid: 0, additionalGids: [], home: '/' }],
    ['5:6', { uid: 5, gid: 6, additionalGids: [], home: '/' }],
  ])('"%s"', (user, expected) => {
    expect(resolve(user)).toEqual(expected);
  });

  it('has further groups', () => {
    expect(resolve('5:6', ['more', '77', '6']).additionalGids).toEqual([2001, 77]);
  });

  it.each([
    ['nobody', 'unable to find user nobody: no matching entries in passwd file'],
    ['web:nogroup', 'unable to find group nogroup: no matching entries in group file'],
    ['4294967295', 'unable to find user 4294967295'],
    ['-1', 'unable to find user -1'],
  ])('refuses "%s"', (user, message) => {
    expect(() => resolve(user)).toThrow(message);
  });
});
