import { describe, expect, it } from 'vitest';
import { candidates } from '../runtime/probe.js';
import { parseCgroupMounts } from './cgroups.js';
import { parseLimits } from './host-facts.js';

const HYBRID = `tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,nosuid,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
`;

describe('cgroup mounts', () => {
  it('of version 1 beside version 2', () => {
    expect(parseCgroupMounts(HYBRID)).toEqual({
      version: 1,
      hierarchies: [
        { mount: '/sys/fs/cgroup/cpu', controllers: ['cpu', 'cpuacct'] },
        { mount: '/sys/fs/cgroup/memory', controllers: ['memory'] },
        { mount: '/sys/fs/cgroup/systemd', controllers: ['name=systemd'] },
      ],
      unified: '/sys/fs/cgroup/unified',
    });
  });

  it('of version 2', () => {
    expect(parseCgroupMounts('cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n')).toMatchObject({
      version: 2,
      hierarchies: [{ mount: '/sys/fs/cgroup' }],
    });
    expect(() => parseCgroupMounts('proc /proc proc rw 0 0\n')).toThrow('no cgroup file system is mounted');
  });
});

describe('ways to call a runtime', () => {
  const hybrid = { ...parseCgroupMounts(HYBRID), swapAccounting: false };

  it('hide version 2 from crun where both are mounted', () => {
    const [plain, hidden] = candidates('/usr/bin/crun', hybrid);
    expect(plain?.createPrefix).toEqual([]);
    expect(hidden?.createPrefix.at(-1)).toBe('/sys/fs/cgroup/unified');
    expect(candidates('/usr/sbin/runc', hybrid)).toHaveLength(1);
    expect(candidates('/usr/bin/crun', { ...hybrid, unified: '' })).toHaveLength(1);
  });
});

describe('resource limits of a process', () => {
  it('are read from /proc', () => {
    const text = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 20000                files
`;
    expect([...parseLimits(text)]).toEqual([
      ['Max cpu time', Number.POSITIVE_INFINITY],
      ['Max open files', 20000],
    ]);
  });
});
