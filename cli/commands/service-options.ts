import type { Command } from 'commander';
import { HEALTH_FLAGS, NO_HEALTHCHECK } from '../flags/health.js';
import { listOption } from '../options.js';

/** A list flag: `--NAME` of create, `--NAME-add` and `--NAME-rm` of update. */
interface ListFlag {
  readonly name: string;
  readonly short?: string;
  readonly value: string;
  readonly what: string;
  /** What `-rm` takes. */
  readonly removes: string;
}

const LISTS: readonly ListFlag[] = [
  { name: 'config', value: 'CONFIG', what: 'configuration file', removes: 'CONFIG' },
  {
    name: 'constraint',
    value: 'EXPRESSION',
    what: 'placement constraint, as node.role==worker',
    removes: 'EXPRESSION',
  },
  { name: 'container-label', value: 'KEY=VALUE', what: 'container label', removes: 'KEY' },
  {
    name: 'depends-on',
    value: 'SERVICE[:CONDITION]',
    what: 'service to wait for before the first start, until it is started (default), healthy or completed',
    removes: 'SERVICE',
  },
  {
    name: 'device',
    value: 'DEVICE',
    what: 'device of the node, as /dev/fuse or /dev/sda:/dev/xvda:r',
    removes: 'PATH',
  },
  { name: 'dns', value: 'IP', what: 'custom DNS server', removes: 'IP' },
  { name: 'dns-option', value: 'OPTION', what: 'DNS option', removes: 'OPTION' },
  { name: 'dns-search', value: 'DOMAIN', what: 'custom DNS search domain', removes: 'DOMAIN' },
  { name: 'env', short: 'e', value: 'KEY=VALUE', what: 'environment variable', removes: 'KEY' },
  { name: 'generic-resource', value: 'KIND=COUNT', what: 'user-defined resource', removes: 'KIND' },
  { name: 'group', value: 'GROUP', what: 'supplementary user group', removes: 'GROUP' },
  { name: 'host', value: 'NAME:IP', what: 'custom host-to-IP mapping', removes: 'NAME' },
  { name: 'label', short: 'l', value: 'KEY=VALUE', what: 'service label', removes: 'KEY' },
  { name: 'mount', value: 'MOUNT', what: 'mount, as type=bind,source=/a,target=/b', removes: 'TARGET' },
  { name: 'network', value: 'NETWORK', what: 'network, as NAME or name=NAME,alias=A', removes: 'NETWORK' },
  {
    name: 'placement-pref',
    value: 'PREFERENCE',
    what: 'placement preference, as spread=node.labels.zone',
    removes: 'PREFERENCE',
  },
  {
    name: 'publish',
    short: 'p',
    value: 'PORT',
    what: 'published port, as 8080:80, 192.0.2.7:8080:80, or published=8080-8089,target=80,mode=host,ip=192.0.2.7',
    removes: 'TARGET-PORT',
  },
  { name: 'secret', value: 'SECRET', what: 'secret', removes: 'SECRET' },
  { name: 'sysctl', value: 'KEY=VALUE', what: 'sysctl', removes: 'KEY' },
  { name: 'ulimit', value: 'NAME=SOFT:HARD', what: 'ulimit', removes: 'NAME' },
];

/** Flags with one value, the same on create and update: name (with its short one), value, description. */
const SCALARS: readonly (readonly [string, string, string])[] = [
  [
    '--autoscale',
    'RULE',
    "Scale by load: min=2,max=20,cpu=60% of a task's --limit-cpu (else --reserve-cpu, else one CPU), " +
      'or connections=100 per second and task; none to end it',
  ],
  ['--endpoint-mode', 'MODE', 'vip (default) or dnsrr'],
  ['--entrypoint', 'COMMAND', "Command that replaces the image's entrypoint"],
  ...HEALTH_FLAGS,
  ['--hostname', 'NAME', 'Container hostname'],
  ['--isolation', 'MODE', 'Container isolation mode'],
  ['--limit-cpu', 'DECIMAL', 'Limit CPUs'],
  ['--limit-memory', 'BYTES', 'Limit memory'],
  ['--limit-pids', 'N', 'Limit the number of processes (0: no limit)'],
  ['--log-driver', 'NAME', 'Logging driver'],
  ['--max-concurrent', 'N', 'Tasks of a job to run at once (default: as --replicas)'],
  ['--memory-swap', 'BYTES', 'Limit swap (default: as much as memory; -1: no limit)'],
  ['--memory-swappiness', 'N', 'Swappiness, 0 to 100; -1 as the node has it (with cgroups of version 1)'],
  ['--oom-score-adj', 'N', "The host's OOM preference, -1000 to 1000"],
  ['--replicas', 'N', 'Number of tasks'],
  ['--replicas-max-per-node', 'N', 'Most tasks on one node (0: no limit)'],
  ['--reserve-cpu', 'DECIMAL', 'Reserve CPUs'],
  ['--reserve-memory', 'BYTES', 'Reserve memory'],
  ['--restart-condition', 'CONDITION', 'none, on-failure or any (default)'],
  ['--restart-delay', 'DURATION', 'Delay between restarts (default 5s)'],
  ['--restart-max-attempts', 'N', 'Restarts before giving up (0: no limit)'],
  ['--restart-window', 'DURATION', 'Window in which restarts are counted'],
  ['--schedule', 'CRON', 'Run a job by this schedule, as "*/5 * * * *" or @daily'],
  [
    '--schedule-missed-window',
    'DURATION',
    'Time after which a run that no manager could start is left out (default 10m)',
  ],
  [
    '--schedule-overlap',
    'POLICY',
    'While a run goes on, the next one is to: skip (default), replace it, or allow both',
  ],
  ['--schedule-time-zone', 'ZONE', 'Time zone of the schedule, as Europe/Berlin (default UTC)'],
  ['--stop-grace-period', 'DURATION', 'Time to stop before a container is killed (default 10s)'],
  ['--stop-signal', 'SIGNAL', 'Signal to stop a container'],
  ['-u, --user', 'USER', 'User name or UID, as NAME or UID[:GROUP]'],
  ['-w, --workdir', 'DIRECTORY', 'Working directory in the container'],
  ...(['update', 'rollback'] as const).flatMap((kind): (readonly [string, string, string])[] => [
    [`--${kind}-delay`, 'DURATION', `Delay between task ${kind}s (default 0s)`],
    [`--${kind}-failure-action`, 'ACTION', `pause (default), continue${kind === 'update' ? ' or rollback' : ''}`],
    [`--${kind}-max-failure-ratio`, 'RATIO', `Failure rate to tolerate during a ${kind} (default 0)`],
    [`--${kind}-monitor`, 'DURATION', `Time to watch each task for failure after its ${kind} (default 5s)`],
    [`--${kind}-order`, 'ORDER', 'stop-first (default) or start-first'],
    [`--${kind}-parallelism`, 'N', `Most tasks in ${kind} at once (0: all; default 1)`],
  ]),
];

const BOOLEANS: readonly (readonly [string, string])[] = [
  ['-d, --detach', 'Exit at once instead of waiting for the service to converge'],
  ['--init', 'Run an init in each container that forwards signals and reaps processes'],
  NO_HEALTHCHECK,
  ['--no-resolve-image', 'Do not ask the registry for the digest of the image'],
  ['-q, --quiet', 'Show no progress'],
  ['--read-only', "Mount the container's root filesystem read-only"],
  ['-t, --tty', 'Allocate a pseudo-TTY'],
  ['--with-registry-auth', 'Send the credentials of `docker login` to the nodes'],
];

function common(command: Command): void {
  for (const [flag, value, what] of SCALARS) command.option(`${flag} <${value}>`, what);
  for (const [flag, what] of BOOLEANS) command.option(flag, what);
  listOption(command, '--log-opt <KEY=VALUE>', 'Option of the logging driver');
  listOption(command, '--cap-add <CAPABILITY>', 'Add a Linux capability');
  listOption(command, '--cap-drop <CAPABILITY>', 'Drop a Linux capability');
}

export function createOptions(command: Command): void {
  command
    .option('--name <NAME>', 'Service name')
    .option('--mode <MODE>', 'replicated (default), global, replicated-job or global-job');
  listOption(command, '--env-file <FILE>', 'Read environment variables from a file');
  for (const { name, short, value, what } of LISTS)
    listOption(command, `${short ? `-${short}, ` : ''}--${name} <${value}>`, `Set a ${what}`);
  common(command);
}

export function updateOptions(command: Command): void {
  command
    .option('--image <IMAGE>', 'Image of the service')
    .option('--args <COMMAND>', "Command's arguments, in one string")
    .option('--force', 'Replace all tasks even if nothing changes; run a job anew')
    .option('--rollback', 'Go back to the previous specification');
  for (const { name, value, what, removes } of LISTS) {
    listOption(command, `--${name}-add <${value}>`, `Add or update a ${what}`);
    listOption(command, `--${name}-rm <${removes}>`, `Remove a ${what.split(',')[0]}`);
  }
  common(command);
}
