import { readFile } from 'node:fs/promises';
import { hostPlatform } from '../images/config.js';
import { capabilitiesOfMask } from './capabilities.js';

/** What of this machine and of the daemon's rights decides how containers are made. */
export interface HostFacts {
  readonly cgroup: CgroupFacts;
  readonly architecture: string;
  /** `CAP_…` that this process has. */
  readonly capabilities: ReadonlySet<string>;
  /** Hard limits of this process by their names in /proc: "Max open files". */
  readonly hardLimits: ReadonlyMap<string, number>;
  readonly oomScoreAdj: number;
  readonly filesystems: ReadonlySet<string>;
  readonly seccomp: boolean;
}

export interface CgroupFacts {
  readonly version: 1 | 2;
  /** Mount points: one for each hierarchy of version 1, with its controllers; the one of version 2. */
  readonly hierarchies: readonly { readonly mount: string; readonly controllers: readonly string[] }[];
  /** Where version 2 is mounted beside version 1; empty when it is not. */
  readonly unified: string;
  readonly swapAccounting: boolean;
}

export async function readHostFacts(cgroup: CgroupFacts): Promise<HostFacts> {
  const [status, limits, filesystems, oom] = await Promise.all(
    ['self/status', 'self/limits', 'filesystems', 'self/oom_score_adj'].map((file) =>
      readFile(`/proc/${file}`, 'utf8'),
    ),
  );
  return {
    cgroup,
    architecture: hostPlatform.architecture,
    capabilities: capabilitiesOfMask(/^CapEff:\s*([0-9a-f]+)/m.exec(status ?? '')?.[1] ?? '0'),
    hardLimits: parseLimits(limits ?? ''),
    oomScoreAdj: Number(oom),
    filesystems: new Set((filesystems ?? '').split('\n').map((line) => line.split('\t').at(-1) ?? '')),
    seccomp: /^Seccomp:/m.test(status ?? ''),
  };
}

/** Hard limits of /proc/self/limits (proc_pid_limits(5)). */
export function parseLimits(text: string): ReadonlyMap<string, number> {
  const rows = text.split('\n').map((line) => /^(.+?)\s{2,}(\S+)\s+(\S+)/.exec(line));
  return new Map(
    rows.flatMap((row) =>
      row?.[1] && row[1] !== 'Limit'
        ? [[row[1], row[3] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(row[3])]]
        : [],
    ),
  );
}
