import { invalidArgument } from '../../../../lib/errors.js';
import type { ContainerSettings } from '../../executor.js';
import type { HostFacts } from './host-facts.js';
import type { SpecProcess } from './spec-types.js';

/** Docker's names of limits, and what /proc/self/limits calls them. */
const LIMITS: Readonly<Record<string, string>> = {
  as: 'Max address space',
  core: 'Max core file size',
  cpu: 'Max cpu time',
  data: 'Max data size',
  fsize: 'Max file size',
  locks: 'Max file locks',
  memlock: 'Max locked memory',
  msgqueue: 'Max msgqueue size',
  nice: 'Max nice priority',
  nofile: 'Max open files',
  nproc: 'Max processes',
  rss: 'Max resident set',
  rtprio: 'Max realtime priority',
  rttime: 'Max realtime timeout',
  sigpending: 'Max pending signals',
  stack: 'Max stack size',
};

/** RLIM_INFINITY as JSON can carry it: runtimes take it for "unlimited" on any 64-bit system. */
const UNLIMITED = Number.MAX_SAFE_INTEGER;

/**
 * Resource limits for a process. Only CAP_SYS_RESOURCE lets a limit be raised over the daemon's own:
 * without it what is higher is cut, and said in `warnings`.
 * @throws INVALID_ARGUMENT for an unknown limit, or a soft one over the hard one
 */
export function containerRlimits(
  ulimits: ContainerSettings['ulimits'],
  host: Pick<HostFacts, 'capabilities' | 'hardLimits'>,
): { rlimits: SpecProcess['rlimits']; warnings: string[] } {
  const warnings: string[] = [];
  const rlimits = ulimits.map(({ name, soft, hard }) => {
    const row = LIMITS[name];
    if (row === undefined) {
      throw invalidArgument(`"${name}" is not a resource limit`, {
        value: name,
        hint: `Limits are ${Object.keys(LIMITS).join(', ')}.`,
      });
    }
    const wanted = { soft: soft < 0 ? UNLIMITED : soft, hard: hard < 0 ? UNLIMITED : hard };
    if (wanted.soft > wanted.hard) {
      throw invalidArgument(`limit ${name}: the soft limit ${soft} is higher than the hard limit ${hard}`, {
        value: name,
      });
    }
    const most = host.capabilities.has('CAP_SYS_RESOURCE')
      ? Number.POSITIVE_INFINITY
      : (host.hardLimits.get(row) ?? Number.POSITIVE_INFINITY);
    if (wanted.hard > most) warnings.push(`limit ${name} is cut to ${most}: the daemon may not raise limits`);
    return {
      type: `RLIMIT_${name.toUpperCase()}`,
      soft: Math.min(wanted.soft, most),
      hard: Math.min(wanted.hard, most),
    };
  });
  return { rlimits, warnings };
}
