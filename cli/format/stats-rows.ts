import type { ContainerStats } from '../../proto/gen/containers.js';
import { humanBytes, humanSize, shortId } from './human.js';
import type { ListView } from './list.js';

export type StatsRow = ReturnType<typeof statsRow>;

/**
 * A row of `stats`.
 * @param before an earlier reading of the same container; without one its share of the CPU is not known: 0
 */
export function statsRow(now: ContainerStats, before: ContainerStats | undefined, truncate: boolean) {
  const id = truncate ? shortId(now.id) : now.id;
  return {
    Container: id,
    ID: id,
    Name: now.name,
    CPUPerc: percent(before ? cpuShare(now, before) : 0),
    MemUsage: `${humanBytes(now.memoryBytes)} / ${humanBytes(now.memoryLimitBytes)}`,
    MemPerc: percent(now.memoryLimitBytes === 0 ? 0 : now.memoryBytes / now.memoryLimitBytes),
    NetIO: `${humanSize(now.networkReceivedBytes)} / ${humanSize(now.networkSentBytes)}`,
    BlockIO: `${humanSize(now.blockReadBytes)} / ${humanSize(now.blockWriteBytes)}`,
    PIDs: String(now.pids),
  };
}

export const statsView: ListView<StatsRow> = {
  table: '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}',
  headers: {
    Container: 'CONTAINER',
    ID: 'CONTAINER ID',
    Name: 'NAME',
    CPUPerc: 'CPU %',
    MemUsage: 'MEM USAGE / LIMIT',
    MemPerc: 'MEM %',
    NetIO: 'NET I/O',
    BlockIO: 'BLOCK I/O',
    PIDs: 'PIDS',
  },
  quiet: (row) => row.ID,
};

/** Of one CPU: two that are busy are 2. A container that was started anew counts from zero again. */
function cpuShare(now: ContainerStats, before: ContainerStats): number {
  const elapsed = now.readAtNs - before.readAtNs;
  return elapsed > 0 ? Math.max(0, now.cpuNs - before.cpuNs) / elapsed : 0;
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(2)}%`;
}
