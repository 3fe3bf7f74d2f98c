import { describe, expect, it } from 'vitest';
import type { ContainerMount, ContainerSettings } from '../../executor.js';
import { testSettings } from '../testing.js';
import type { HostFacts } from './host-facts.js';
import { buildSpec, processArgs, processEnv, type SpecInput } from './spec.js';

const host: HostFacts = {
  cgroup: { version: 2, hierarchies: [], unified: '', swapAccounting: true },
  architecture: 'amd64',
  capabilities: new Set(['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_ADMIN', 'CAP_SYS_RESOURCE']),
  hardLimits: new Map([['Max open files', 1000]]),
  oomScoreAdj: 0,
  filesystems: new Set(['mqueue']),
  seccomp: true,
};
const image = {
  platform: { architecture: 'amd64', os: 'linux' },
  createdAt: 0,
  user: '',
  env: ['PATH=/image', 'A=image'],
  entrypoint: ['/entry'],
  cmd: ['serve'],
  workingDir: '/srv',
  exposedPorts: [],
  volumes: [],
  stopSignal: '',
  healthcheck: undefined,
  shell: [],
  labels: {},
};

function build(fields: Partial<ContainerSettings> = {}, input: Partial<SpecInput> = {}) {
  return buildSpec({
    settings: testSettings(fields),
    image,
    user: { uid: 0, gid: 0, additionalGids: [], home: '/root' },
    host,
    hostname: 'box',
    rootfs: '/c/rootfs',
    cgroupPath: '/swarm/c',
    etc: [{ source: '/c/etc/hosts', target: '/etc/hosts' }],
    files: [],
    devices: [],
    initProgram: '',
    ...input,
  });
}
const spec = (fields?: Partial<ContainerSettings>, input?: Partial<SpecInput>) => build(fields, input).spec;
const without = (...capabilities: string[]): HostFacts => ({
  ...host,
  capabilities: new Set([...host.capabilities].filter((name) => !capabilities.includes(name))),
});
const bind = (fields: Partial<ContainerMount>): ContainerMount => ({
  type: 'bind',
  source: '/data',
  target: '/mnt',
  readOnly: false,
  propagation: '',
  nonRecursive: false,
  createMountpoint: false,
  tmpfsSizeBytes: 0,
  tmpfsMode: 0,
  ...fields,
});

describe('spec - process', () => {
  it('has entrypoint and command by docker’s rules', () => {
    const args = (fields: Partial<ContainerSettings>) => processArgs(testSettings(fields), image);
    expect(args({})).toEqual(['/entry', 'serve']);
    expect(args({ args: ['x'] })).toEqual(['/entry', 'x']);
    expect(args({ entrypoint: ['/other'] })).toEqual(['/other']);
    expect(args({ entrypoint: ['/other'], args: ['x'] })).toEqual(['/other', 'x']);
    expect(args({ entrypoint: [''], args: ['x'] })).toEqual(['x']);
    expect(() => args({ entrypoint: [''] })).toThrow('no command specified');
    expect(args({ init: true })).toEqual(['/sbin/docker-init', '--', '/entry', 'serve']);
    expect(() => processArgs(testSettings(), { entrypoint: [], cmd: [] })).toThrow('no command specified');
  });

  it('has the environment of image and settings', () => {
    const env = (fields: Partial<ContainerSettings>) => processEnv(testSettings(fields), image, 'box', '/root');
    expect(env({ env: ['A=mine', 'B=x=y'] })).toEqual(['PATH=/image', 'HOSTNAME=box', 'HOME=/root', 'A=mine', 'B=x=y']);
    expect(env({ env: ['A'], tty: true })).toEqual(['PATH=/image', 'HOSTNAME=box', 'TERM=xterm', 'HOME=/root']);
  });

  it('works where the settings say, or the image', () => {
    expect(spec().process.cwd).toBe('/srv');
    expect(spec({ dir: '/x' }).process.cwd).toBe('/x');
  });

  it('gives users other than root no effective capabilities', () => {
    const { capabilities } = spec({}, { user: { uid: 5, gid: 5, additionalGids: [], home: '/' } }).process;
    expect(capabilities.bounding).toEqual(['CAP_CHOWN', 'CAP_KILL']);
    expect(capabilities.effective).toEqual([]);
    expect(spec().process.capabilities.effective).toEqual(['CAP_CHOWN', 'CAP_KILL']);
  });

  it('cuts limits that the daemon may not give, and says so', () => {
    const ulimits = [{ name: 'nofile', soft: 500, hard: 5000 }];
    expect(build({ ulimits })).toMatchObject({ warnings: [], spec: { process: { rlimits: [{ hard: 5000 }] } } });
    const cut = build({ ulimits }, { host: without('CAP_SYS_RESOURCE') });
    expect(cut.spec.process.rlimits).toEqual([{ type: 'RLIMIT_NOFILE', soft: 500, hard: 1000 }]);
    expect(cut.warnings).toEqual(['limit nofile is cut to 1000: the daemon may not raise limits']);
    expect(() => spec({ ulimits: [{ name: 'nope', soft: 1, hard: 1 }] })).toThrow('"nope" is not a resource limit');
    expect(() => spec({ ulimits: [{ name: 'core', soft: 2, hard: 1 }] })).toThrow('is higher than the hard limit');
  });

  it('lowers the OOM score only with the right to', () => {
    expect(spec({ oomScoreAdj: -500 }).process.oomScoreAdj).toBe(-500);
    expect(spec({ oomScoreAdj: 500 }, { host: without('CAP_SYS_RESOURCE') }).process.oomScoreAdj).toBe(500);
    const refused = build({ oomScoreAdj: -500 }, { host: without('CAP_SYS_RESOURCE') });
    expect(refused.spec.process.oomScoreAdj).toBeUndefined();
    expect(refused.warnings).toHaveLength(1);
    expect(() => spec({ oomScoreAdj: 1001 })).toThrow('"1001" is not an OOM score adjustment');
  });
});

describe('spec - isolation', () => {
  const types = (fields: Partial<ContainerSettings>, input: Partial<SpecInput> = {}) =>
    spec(fields, input).linux.namespaces.map(({ type }) => type);

  it('joins a network namespace when there is one', () => {
    expect(types({})).toEqual(['mount', 'pid', 'ipc', 'uts', 'cgroup']);
    expect(spec({ networkNamespace: '/n' }).linux.namespaces).toContainEqual({ type: 'network', path: '/n' });
    const legacy = { ...host, cgroup: { ...host.cgroup, version: 1 as const } };
    expect(types({}, { host: legacy })).not.toContain('cgroup');
  });

  it('filters system calls by capability', () => {
    const refused = (fields: Partial<ContainerSettings>) =>
      spec(fields).linux.seccomp?.syscalls.flatMap(({ names }) => names) ?? [];
    expect(refused({})).toEqual(expect.arrayContaining(['mount', 'clone', 'clone3', 'keyctl', 'reboot']));
    const admin = { ...host, capabilities: new Set(['CAP_SYS_ADMIN']) };
    const all = spec({ capabilityAdd: ['SYS_ADMIN'] }, { host: admin }).linux.seccomp?.syscalls.flatMap((s) => s.names);
    expect(all).not.toContain('mount');
    expect(all).toContain('keyctl');
    expect(spec({}, { host: { ...host, seccomp: false } }).linux.seccomp).toBeUndefined();
  });

  it('takes sysctls that are a container’s own', () => {
    const sysctls = { 'net.core.somaxconn': '9' };
    expect(spec({ sysctls, networkNamespace: '/n' }).linux.sysctl).toEqual(sysctls);
    expect(() => spec({ sysctls })).toThrow("cannot be set in the node's network namespace");
    expect(() => spec({ sysctls: { 'vm.swappiness': '1' } })).toThrow("is not a container's own");
  });
});

describe('spec - capabilities', () => {
  it('adds and drops', () => {
    const bounding = (capabilityAdd: string[], capabilityDrop: string[]) =>
      spec({ capabilityAdd, capabilityDrop }).process.capabilities.bounding;
    expect(bounding(['net_admin'], [])).toEqual(['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_ADMIN']);
    expect(bounding(['ALL'], ['CAP_KILL'])).toEqual(['CAP_CHOWN', 'CAP_NET_ADMIN', 'CAP_SYS_RESOURCE']);
    expect(bounding(['KILL'], ['ALL'])).toEqual(['CAP_KILL']);
    expect(() => bounding(['NONSENSE'], [])).toThrow('"NONSENSE" is not a capability');
    expect(() => bounding(['SYS_BOOT'], [])).toThrow('this node may not give the capability SYS_BOOT');
  });
});

describe('spec - resources', () => {
  const resources = { nanoCpus: 0, memoryBytes: 0, memorySwapBytes: undefined, memorySwappiness: undefined, pids: 0 };
  const limits = (fields: object, facts = host) =>
    spec({ resources: { ...resources, ...fields } }, { host: facts }).linux.resources;

  it('limits what is to be limited', () => {
    expect(limits({})).toEqual({ devices: [{ allow: false, access: 'rwm' }] });
    expect(limits({ nanoCpus: 5e8, pids: 9 })).toMatchObject({
      cpu: { quota: 50_000, period: 100_000 },
      pids: { limit: 9 },
    });
  });

  it('adds swap to memory, where the kernel counts it', () => {
    expect(limits({ memoryBytes: 100 }).memory).toEqual({ limit: 100, swap: 200 });
    expect(limits({ memoryBytes: 100, memorySwapBytes: 0 }).memory).toEqual({ limit: 100, swap: 100 });
    expect(limits({ memoryBytes: 100, memorySwapBytes: -1 }).memory).toEqual({ limit: 100, swap: -1 });
    const blind = { ...host, cgroup: { ...host.cgroup, swapAccounting: false } };
    expect(limits({ memoryBytes: 100 }, blind).memory).toEqual({ limit: 100 });
  });

  it('sets swappiness where cgroups have it, and says so where they have not', () => {
    const old = { ...host, cgroup: { ...host.cgroup, version: 1 as const } };
    expect(limits({ memorySwappiness: 0 }, old).memory).toEqual({ swappiness: 0 });
    expect(limits({ memorySwappiness: -1 }, old).memory).toBeUndefined();
    expect(limits({ memorySwappiness: 10 }).memory).toBeUndefined();
    const { warnings } = build({ resources: { ...resources, memorySwappiness: 10 } });
    expect(warnings).toEqual(['memory swappiness 10 is left out: cgroups of version 2 have none']);
  });
});

describe('spec - mounts', () => {
  it('gives a tmpfs what it asks for, and else what is safe', () => {
    const tmpfs = bind({ type: 'tmpfs', source: '', tmpfsSizeBytes: 9, tmpfsOptions: ['noexec', 'exec', 'uid=5'] });
    const { options } = spec({ mounts: [tmpfs] }).mounts.find(({ destination }) => destination === '/mnt') ?? {};
    expect(options).toEqual(['nosuid', 'nodev', 'exec', 'uid=5', 'rw', 'mode=1777', 'size=9']);
  });

  const targets = (fields: Partial<ContainerSettings>) => spec(fields).mounts.map(({ destination }) => destination);

  it('come with parents first, after the system’s', () => {
    const mounts = [bind({ target: '/a/b/c' }), bind({ target: '/a' })];
    const all = targets({ mounts });
    expect(all.slice(0, 2)).toEqual(['/proc', '/dev']);
    expect(all.slice(-3)).toEqual(['/a', '/etc/hosts', '/a/b/c']);
  });

  it('of the user replace ours', () => {
    const mounts = [bind({ target: '/etc/hosts', source: '/mine' }), bind({ type: 'tmpfs', target: '/dev/shm' })];
    const all = spec({ mounts }).mounts;
    expect(all.filter(({ destination }) => destination === '/etc/hosts').map(({ source }) => source)).toEqual([
      '/mine',
    ]);
    expect(all.filter(({ destination }) => destination === '/dev/shm')).toHaveLength(1);
  });

  it('have the options of their kind', () => {
    const [first, second, third] = spec({
      mounts: [
        bind({ target: '/1' }),
        bind({ target: '/2', readOnly: true, nonRecursive: true, propagation: 'rslave' }),
        bind({ target: '/3', type: 'tmpfs', tmpfsSizeBytes: 4096, tmpfsMode: 0o755 }),
      ],
    }).mounts.filter(({ destination }) => /^\/\d$/.test(destination));
    expect(first?.options).toEqual(['rbind', 'rprivate', 'rw']);
    expect(second?.options).toEqual(['bind', 'rslave', 'ro']);
    expect(third?.options).toEqual(['nosuid', 'nodev', 'noexec', 'rw', 'mode=755', 'size=4096']);
  });

  it('need an absolute target', () => {
    expect(() => spec({ mounts: [bind({ target: 'x' })] })).toThrow('must be an absolute path');
    expect(() => spec({ mounts: [bind({ target: '/' })] })).toThrow('must be an absolute path');
  });

  it('bring the init program', () => {
    expect(() => spec({ init: true })).toThrow('no init program on this node');
    const { mounts } = spec({ init: true }, { initProgram: '/usr/bin/catatonit' });
    expect(mounts).toContainEqual(
      expect.objectContaining({ destination: '/sbin/docker-init', source: '/usr/bin/catatonit' }),
    );
  });
});
