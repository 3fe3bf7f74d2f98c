import { expect } from 'vitest';
import { EndpointMode, FailureAction, MountType, RestartCondition, UpdateOrder } from '../../proto/gen/specs.js';

/** A place in a service's spec: fields joined by dots. */
export type Place = string;

/** A flag with one value, the same on create and update. */
export interface ScalarRow {
  readonly flag: string;
  /** Values of the flag, and of its field. */
  readonly first: string;
  readonly other: string;
  readonly place: Place;
  readonly is: unknown;
  readonly becomes: unknown;
  readonly service?: ServiceKind;
}

/** A list: `--FLAG` of create, `--FLAG-add` and `--FLAG-rm` of update. */
export interface ListRow {
  readonly flag: string;
  /** Values of the flag: the one that stays, the one that comes and goes, and what takes that away again. */
  readonly kept: string;
  readonly added: string;
  readonly removes: string;
  readonly place: Place;
  /** The field with the first, and with both. */
  readonly is: unknown;
  readonly becomes: unknown;
}

/** What a flag needs its service to be. */
export type ServiceKind = 'replicated' | 'replicated-job';

const scalar = (
  flag: string,
  first: string,
  other: string,
  place: Place,
  is: unknown,
  becomes: unknown,
): ScalarRow => ({
  flag,
  first,
  other,
  place,
  is,
  becomes,
});
const ofJob = (row: ScalarRow): ScalarRow => ({ ...row, service: 'replicated-job' });
/** A flag whose text is its field. */
const text = (flag: string, first: string, other: string, place: Place) =>
  scalar(flag, first, other, place, first, other);

const SECOND = 1e9;
const MIB = 2 ** 20;
const CONTAINER = 'task.container';

const updates = (kind: 'update' | 'rollback'): ScalarRow[] => [
  scalar(`${kind}-delay`, '1s', '2s', `${kind}.delay`, SECOND, 2 * SECOND),
  scalar(
    `${kind}-failure-action`,
    'continue',
    'pause',
    `${kind}.failureAction`,
    FailureAction.CONTINUE,
    FailureAction.PAUSE,
  ),
  scalar(`${kind}-max-failure-ratio`, '0.5', '0.25', `${kind}.maxFailureRatio`, 0.5, 0.25),
  scalar(`${kind}-monitor`, '3s', '0s', `${kind}.monitor`, 3 * SECOND, 0),
  scalar(
    `${kind}-order`,
    'start-first',
    'stop-first',
    `${kind}.order`,
    UpdateOrder.START_FIRST,
    UpdateOrder.STOP_FIRST,
  ),
  scalar(`${kind}-parallelism`, '3', '0', `${kind}.parallelism`, 3, 0),
];

export const SCALARS: readonly ScalarRow[] = [
  scalar('endpoint-mode', 'vip', 'dnsrr', 'endpoint.mode', EndpointMode.VIP, EndpointMode.DNSRR),
  scalar('entrypoint', '/bin/a "b c"', '', `${CONTAINER}.entrypoint`, ['/bin/a', 'b c'], []),
  scalar(
    'health-cmd',
    'true',
    'test -f /ok',
    `${CONTAINER}.healthcheck.test`,
    ['CMD-SHELL', 'true'],
    ['CMD-SHELL', 'test -f /ok'],
  ),
  scalar('health-interval', '5s', '6s', `${CONTAINER}.healthcheck.interval`, 5 * SECOND, 6 * SECOND),
  scalar('health-retries', '4', '5', `${CONTAINER}.healthcheck.retries`, 4, 5),
  scalar('health-start-interval', '1s', '2s', `${CONTAINER}.healthcheck.startInterval`, SECOND, 2 * SECOND),
  scalar('health-start-period', '7s', '8s', `${CONTAINER}.healthcheck.startPeriod`, 7 * SECOND, 8 * SECOND),
  scalar('health-timeout', '3s', '4s', `${CONTAINER}.healthcheck.timeout`, 3 * SECOND, 4 * SECOND),
  text('hostname', 'a.example', '', `${CONTAINER}.hostname`),
  text('isolation', 'default', '', `${CONTAINER}.isolation`),
  scalar('limit-cpu', '1.5', '0', 'task.resources.limits.nanoCpus', 1.5e9, 0),
  scalar('limit-memory', '64m', '128m', 'task.resources.limits.memoryBytes', 64 * MIB, 128 * MIB),
  scalar('limit-pids', '100', '0', 'task.resources.limits.pids', 100, 0),
  scalar('memory-swap', '32m', '-1', 'task.resources.memorySwapBytes', 32 * MIB, -1),
  scalar('memory-swappiness', '10', '-1', 'task.resources.memorySwappiness', 10, -1),
  scalar('oom-score-adj', '-500', '0', `${CONTAINER}.oomScoreAdj`, -500, 0),
  scalar('replicas', '0', '3', 'replicated.replicas', 0, 3),
  scalar('replicas-max-per-node', '9', '0', 'task.placement.maxReplicas', 9, 0),
  scalar('reserve-cpu', '0.25', '0', 'task.resources.reservations.nanoCpus', 0.25e9, 0),
  scalar('reserve-memory', '16m', '0', 'task.resources.reservations.memoryBytes', 16 * MIB, 0),
  scalar(
    'restart-condition',
    'on-failure',
    'any',
    'task.restart.condition',
    RestartCondition.ON_FAILURE,
    RestartCondition.ANY,
  ),
  scalar('restart-delay', '0s', '3s', 'task.restart.delay', 0, 3 * SECOND),
  scalar('restart-max-attempts', '3', '0', 'task.restart.maxAttempts', 3, 0),
  scalar('restart-window', '1m', '0s', 'task.restart.window', 60 * SECOND, 0),
  scalar('stop-grace-period', '30s', '0s', `${CONTAINER}.stopGracePeriod`, 30 * SECOND, 0),
  text('stop-signal', 'SIGINT', '', `${CONTAINER}.stopSignal`),
  text('user', '1000:1000', '', `${CONTAINER}.user`),
  text('workdir', '/srv', '', `${CONTAINER}.dir`),
  ...updates('update'),
  ...updates('rollback'),
  ofJob(scalar('max-concurrent', '2', '1', 'replicatedJob.maxConcurrent', 2, 1)),
  ofJob(text('schedule', '@daily', '*/5 * * * *', 'schedule.cron')),
  ofJob(scalar('schedule-missed-window', '1m', '2m', 'schedule.missedRunWindow', 60 * SECOND, 120 * SECOND)),
  ofJob(text('schedule-overlap', 'skip', 'allow', 'schedule.overlap')),
  ofJob(text('schedule-time-zone', 'Europe/Berlin', 'UTC', 'schedule.timeZone')),
];

/** Flags that are there or not, and take `=false`. */
export const BOOLEANS: readonly (readonly [string, Place])[] = [
  ['init', `${CONTAINER}.init`],
  ['read-only', `${CONTAINER}.readOnly`],
  ['tty', `${CONTAINER}.tty`],
];

const pairs = (
  flag: string,
  kept: string,
  added: string,
  removes: string,
  place: Place,
  both: readonly [unknown, unknown],
): ListRow => ({ flag, kept, added, removes, place, is: [both[0]], becomes: both });
/** A list of plain strings. */
const strings = (flag: string, kept: string, added: string, place: Place) =>
  pairs(flag, kept, added, added, place, [kept, added]);
/** A map. */
const map = (flag: string, place: Place, kept = 'kept', added = 'added'): ListRow => ({
  flag,
  kept: `${kept}=1`,
  added: `${added}=2`,
  removes: added,
  place,
  is: { [kept]: '1' },
  becomes: { [kept]: '1', [added]: '2' },
});

const tmpfs = (target: string) => expect.objectContaining({ type: MountType.TMPFS, target });
const port = (publishedPort: number, targetPort: number) => expect.objectContaining({ publishedPort, targetPort });
const device = (hostPath: string) => expect.objectContaining({ hostPath });
const network = (target: string, ...aliases: string[]) => expect.objectContaining({ target, aliases });

/** Networks are shown by name here. */
export const LISTS: readonly ListRow[] = [
  strings('constraint', 'node.role==manager', 'node.labels.disk!=slow', 'task.placement.constraints'),
  map('container-label', `${CONTAINER}.labels`),
  {
    flag: 'depends-on',
    kept: 'db',
    added: 'cache:healthy',
    removes: 'cache',
    place: 'dependsOn',
    is: [{ service: 'db', condition: 'started' }],
    becomes: [
      { service: 'db', condition: 'started' },
      { service: 'cache', condition: 'healthy' },
    ],
  },
  pairs('device', '/dev/fuse', '/dev/null:/dev/nothing:r', '/dev/null', `${CONTAINER}.devices`, [
    device('/dev/fuse'),
    device('/dev/null'),
  ]),
  strings('dns', '192.0.2.53', '2001:db8::53', `${CONTAINER}.dns.nameservers`),
  strings('dns-option', 'ndots:1', 'use-vc', `${CONTAINER}.dns.options`),
  strings('dns-search', 'example.com', 'example.org', `${CONTAINER}.dns.search`),
  pairs('env', 'KEPT=1', 'ADDED=2', 'ADDED', `${CONTAINER}.env`, ['KEPT=1', 'ADDED=2']),
  pairs('generic-resource', 'gpu=1', 'fpga=2', 'fpga', 'task.resources.reservations.generic', [
    { kind: 'gpu', value: 1 },
    { kind: 'fpga', value: 2 },
  ]),
  strings('group', 'audio', 'video', `${CONTAINER}.groups`),
  pairs('host', 'db:192.0.2.1', 'cache:192.0.2.2', 'cache:192.0.2.2', `${CONTAINER}.hosts`, [
    '192.0.2.1 db',
    '192.0.2.2 cache',
  ]),
  map('label', 'labels'),
  pairs('mount', 'type=tmpfs,target=/kept', 'type=tmpfs,target=/added', '/added', `${CONTAINER}.mounts`, [
    tmpfs('/kept'),
    tmpfs('/added'),
  ]),
  pairs('network', 'back', 'name=front,alias=www', 'front', 'task.networks', [
    network('back'),
    network('front', 'www'),
  ]),
  pairs(
    'placement-pref',
    'spread=node.labels.zone',
    'spread=node.labels.rack',
    'spread=node.labels.rack',
    'task.placement.preferences',
    [{ spread: 'node.labels.zone' }, { spread: 'node.labels.rack' }],
  ),
  pairs('publish', '8080:80', 'published=8443,target=443', '443', 'endpoint.ports', [port(8080, 80), port(8443, 443)]),
  map('sysctl', `${CONTAINER}.sysctls`, 'net.core.somaxconn', 'net.ipv4.ip_default_ttl'),
  pairs('ulimit', 'nofile=1024:2048', 'nproc=512', 'nproc', `${CONTAINER}.ulimits`, [
    { name: 'nofile', soft: 1024, hard: 2048 },
    { name: 'nproc', soft: 512, hard: 512 },
  ]),
];
