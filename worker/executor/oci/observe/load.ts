import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';
import type { LoadCounters } from '../../interactive.js';
import { hierarchyOf } from '../container/cgroups.js';
import type { UsageInput } from './usage.js';

/**
 * What tells how busy a container is, by its cgroup and its network namespace. Synchronous on purpose: two files
 * of the kernel's memory take microseconds, while a file read that is queued behind a disk's could hold up the
 * heartbeat that it is for.
 */
export function loadOf({ facts, cgroup, pid, network }: UsageInput): LoadCounters {
  const text = (controller: string, file: string) => readCounters(join(hierarchyOf(facts, controller), cgroup, file));
  return {
    readAtNs: process.hrtime.bigint(),
    cpuNs: facts.version === 2 ? unifiedCpuNs(text('', 'cpu.stat')) : Number(text('cpuacct', 'cpuacct.usage')),
    connections: network ? passiveOpens(readCounters(`/proc/${pid}/net/snmp`)) : 0,
  };
}

/** Of version 2's cpu.stat (cgroup-v2.rst of the kernel). */
export function unifiedCpuNs(stat: string): number {
  return Number(/^usage_usec (\d+)$/m.exec(stat)?.[1] ?? 0) * 1000;
}

/** TCP connections that came in, of both families: PassiveOpens (RFC 4022) in /proc/<pid>/net/snmp (proc_pid_net(5)). */
export function passiveOpens(snmp: string): number {
  const [names = [], values = []] = snmp
    .split('\n')
    .filter((line) => line.startsWith('Tcp:'))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf('PassiveOpens')] ?? 0);
}

/** '' for what the kernel does not have, or has no longer. */
function readCounters(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ESRCH', 'EINVAL'].includes(errnoOf(error) ?? '')) return '';
    throw error;
  }
}
