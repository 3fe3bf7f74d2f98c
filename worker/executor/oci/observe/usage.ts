import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../../../../lib/errors.js';
import type { ResourceUsage } from '../../interactive.js';
import { hierarchyOf } from '../container/cgroups.js';
import type { CgroupFacts } from '../container/host-facts.js';

type Text = (controller: string, file: string) => Promise<string>;
type CgroupUsage = Omit<
  ResourceUsage,
  'readAtNs' | 'memoryLimitBytes' | 'networkReceivedBytes' | 'networkSentBytes'
> & { readonly limit: number };

export interface UsageInput {
  readonly facts: CgroupFacts;
  readonly cgroup: string;
  readonly pid: number;
  /** Whether its network is its own; else what goes through is the node's. */
  readonly network: boolean;
}

/** What a container has used, by its cgroup and its network namespace. What a kernel does not count is 0. */
export async function usageOf({ facts, cgroup, pid, network }: UsageInput): Promise<ResourceUsage> {
  const text: Text = (controller, file) => readCounters(join(hierarchyOf(facts, controller), cgroup, file));
  const [{ limit, ...used }, dev] = await Promise.all([
    facts.version === 2 ? unifiedUsage(text) : legacyUsage(text),
    network ? readCounters(`/proc/${pid}/net/dev`) : '',
  ]);
  const { received, sent } = parseNetDev(dev);
  return {
    readAtNs: process.hrtime.bigint(),
    ...used,
    memoryLimitBytes: Math.min(limit || Number.POSITIVE_INFINITY, totalmem()),
    networkReceivedBytes: received,
    networkSentBytes: sent,
  };
}

/** Files of version 2 (cgroup-v2.rst of the kernel). */
export async function unifiedUsage(text: Text): Promise<CgroupUsage> {
  const [cpu, memory, stat, max, pids, io] = await Promise.all(
    ['cpu.stat', 'memory.current', 'memory.stat', 'memory.max', 'pids.current', 'io.stat'].map((file) =>
      text('', file),
    ),
  );
  return {
    cpuNs: field(cpu, 'usage_usec') * 1000,
    memoryBytes: Math.max(0, Number(memory) - field(stat, 'inactive_file')),
    limit: max?.trim() === 'max' ? Number.POSITIVE_INFINITY : Number(max),
    pids: Number(pids),
    blockReadBytes: sum(io, /\brbytes=(\d+)/g),
    blockWriteBytes: sum(io, /\bwbytes=(\d+)/g),
  };
}

/** Files of version 1 (cgroup-v1/ of the kernel's documentation). */
export async function legacyUsage(text: Text): Promise<CgroupUsage> {
  const [cpu, memory, stat, limit, pids, io] = await Promise.all([
    text('cpuacct', 'cpuacct.usage'),
    text('memory', 'memory.usage_in_bytes'),
    text('memory', 'memory.stat'),
    text('memory', 'memory.limit_in_bytes'),
    text('pids', 'pids.current'),
    text('blkio', 'blkio.throttle.io_service_bytes'),
  ]);
  return {
    cpuNs: Number(cpu),
    memoryBytes: Math.max(0, Number(memory) - field(stat, 'total_inactive_file')),
    limit: Number(limit),
    pids: Number(pids),
    blockReadBytes: sum(io, /^\d+:\d+ Read (\d+)$/gm),
    blockWriteBytes: sum(io, /^\d+:\d+ Write (\d+)$/gm),
  };
}

/** Bytes of all interfaces but loopback in /proc/<pid>/net/dev (proc_pid_net(5)). */
export function parseNetDev(text: string): { received: number; sent: number } {
  const total = { received: 0, sent: 0 };
  for (const line of text.split('\n')) {
    const [name, counters] = line.split(':');
    if (counters === undefined || name?.trim() === 'lo') continue;
    const numbers = counters.trim().split(/\s+/).map(Number);
    total.received += numbers[0] ?? 0;
    total.sent += numbers[8] ?? 0;
  }
  return total;
}

function field(text = '', name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

function sum(text = '', pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((all, [, number]) => all + Number(number), 0);
}

/** '' for what the kernel does not have, or has no longer. */
async function readCounters(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'EOPNOTSUPP', 'ESRCH', 'EINVAL'].includes(errnoOf(error) ?? '')) return '';
    throw error;
  }
}
