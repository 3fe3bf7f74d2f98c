import type { SpecSeccomp } from './spec-types.js';

/**
 * System calls refused with EPERM to containers that lack the capability which they are about.
 * It is a list of what is refused, not of what is allowed: a short filter is fast to load and fast at
 * each call, and new system calls of C libraries work. Capabilities and namespaces are the fence;
 * this keeps containers off the parts of the kernel where most of its flaws were found.
 */
const REFUSED: readonly { readonly unless: string; readonly names: readonly string[] }[] = [
  {
    unless: 'CAP_SYS_ADMIN',
    names: [
      'bpf',
      'fanotify_init',
      'fsconfig',
      'fsmount',
      'fsopen',
      'fspick',
      'lookup_dcookie',
      'mount',
      'mount_setattr',
      'move_mount',
      'open_tree',
      'perf_event_open',
      'pivot_root',
      'quotactl',
      'quotactl_fd',
      'setdomainname',
      'sethostname',
      'setns',
      'swapoff',
      'swapon',
      'umount',
      'umount2',
      'unshare',
    ],
  },
  { unless: 'CAP_DAC_READ_SEARCH', names: ['open_by_handle_at'] },
  { unless: 'CAP_SYS_MODULE', names: ['create_module', 'delete_module', 'finit_module', 'init_module'] },
  { unless: 'CAP_SYS_BOOT', names: ['kexec_file_load', 'kexec_load', 'reboot'] },
  { unless: 'CAP_SYS_PACCT', names: ['acct'] },
  { unless: 'CAP_SYS_RAWIO', names: ['ioperm', 'iopl'] },
  { unless: 'CAP_SYS_TIME', names: ['clock_adjtime64', 'clock_settime', 'clock_settime64', 'settimeofday', 'stime'] },
  { unless: 'CAP_SYS_TTY_CONFIG', names: ['vhangup'] },
  { unless: 'CAP_SYS_PTRACE', names: ['kcmp', 'pidfd_getfd', 'process_madvise'] },
  { unless: 'CAP_SYSLOG', names: ['syslog'] },
];

/** Refused to all: key rings are not namespaced; the others are old, or a frequent way into the kernel. */
const ALWAYS = [
  'add_key',
  'get_mempolicy',
  'io_uring_enter',
  'io_uring_register',
  'io_uring_setup',
  'keyctl',
  'mbind',
  'migrate_pages',
  'move_pages',
  'nfsservctl',
  'request_key',
  'set_mempolicy',
  'sysfs',
  '_sysctl',
  'uselib',
  'userfaultfd',
  'ustat',
  'vm86',
  'vm86old',
];

/** CLONE_NEW* of linux/sched.h: time, mount, cgroup, uts, ipc, user, pid, net. */
const NAMESPACE_FLAGS = [
  0x00000080, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
];

const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  amd64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  arm: ['SCMP_ARCH_ARM'],
  '386': ['SCMP_ARCH_X86'],
  riscv64: ['SCMP_ARCH_RISCV64'],
};

const EPERM = 1;
const ENOSYS = 38;

/** The filter for a container with these capabilities. @param architecture as OCI names it */
export function seccompProfile(architecture: string, capabilities: readonly string[]): SpecSeccomp {
  const has = new Set(capabilities);
  const refused = REFUSED.filter(({ unless }) => !has.has(unless)).flatMap(({ names }) => names);
  const clone = has.has('CAP_SYS_ADMIN')
    ? []
    : [
        ...NAMESPACE_FLAGS.map((flag) => ({
          names: ['clone'],
          action: 'SCMP_ACT_ERRNO' as const,
          errnoRet: EPERM,
          args: [{ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' as const }],
        })),
        // Its flags are in memory, out of the filter's sight; C libraries go back to clone on ENOSYS.
        { names: ['clone3'], action: 'SCMP_ACT_ERRNO' as const, errnoRet: ENOSYS },
      ];
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: [...(ARCHITECTURES[architecture] ?? [])],
    syscalls: [{ names: [...ALWAYS, ...refused], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM }, ...clone],
  };
}
