import { invalidArgument } from '../../../../lib/errors.js';

/** Capabilities by number (linux/capability.h). */
const NAMES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
] as const;

/** What a container has unless told otherwise: docker's list. */
const DEFAULT: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

/** The names (`CAP_…`) in a hexadecimal mask, as in /proc/self/status. */
export function capabilitiesOfMask(mask: string): ReadonlySet<string> {
  const bits = BigInt(`0x${mask}`);
  return new Set(NAMES.filter((_, bit) => (bits >> BigInt(bit)) & 1n).map((name) => `CAP_${name}`));
}

function normalise(name: string): string {
  const short = name.toUpperCase().replace(/^CAP_/, '');
  if (short !== 'ALL' && !(NAMES as readonly string[]).includes(short)) {
    throw invalidArgument(`"${name}" is not a capability`, {
      value: name,
      hint: 'A capability looks like NET_ADMIN, or ALL.',
    });
  }
  return short;
}

/**
 * The capabilities of a container: docker's defaults with some more and some less; `ALL` in either
 * list means every one. What is asked for by name wins over `ALL` in the other list.
 * @param available what this process may give: the rest of `ALL` and of the defaults is left out
 * @throws INVALID_ARGUMENT for an unknown one, or for one asked for by name that this node may not give
 */
export function containerCapabilities(
  add: readonly string[],
  drop: readonly string[],
  available: ReadonlySet<string>,
): string[] {
  const added = new Set(add.map(normalise));
  const dropped = new Set(drop.map(normalise));
  const wanted = NAMES.filter((name) => {
    if (dropped.has(name)) return false;
    if (added.has(name)) return true;
    if (dropped.has('ALL')) return false;
    return added.has('ALL') || DEFAULT.has(name);
  });
  const missing = wanted.find((name) => added.has(name) && !available.has(`CAP_${name}`));
  if (missing) {
    throw invalidArgument(`this node may not give the capability ${missing}`, {
      value: missing,
      hint: 'The daemon itself runs without it.',
    });
  }
  return wanted.map((name) => `CAP_${name}`).filter((name) => available.has(name));
}
