import { type Command, Option } from 'commander';
import { HEALTH_FLAGS, NO_HEALTHCHECK } from '../flags/health.js';
import { REFUSED } from '../flags/refused.js';
import { listOption } from '../options.js';

/** Flags that may be given several times. */
const LISTS: readonly (readonly [string, string])[] = [
  ['--add-host <NAME:IP>', 'Add a custom host-to-IP mapping'],
  ['-a, --attach <STREAM>', 'Attach to STDIN, STDOUT or STDERR'],
  ['--cap-add <CAPABILITY>', 'Add a Linux capability'],
  ['--cap-drop <CAPABILITY>', 'Drop a Linux capability'],
  ['--device <DEVICE>', 'Add a device of the host, as /dev/fuse or /dev/sda:/dev/xvda:r'],
  ['--dns <IP>', 'Set a custom DNS server'],
  ['--dns-option <OPTION>', 'Set a DNS option'],
  ['--dns-search <DOMAIN>', 'Set a custom DNS search domain'],
  ['-e, --env <KEY=VALUE>', 'Set an environment variable'],
  ['--env-file <FILE>', 'Read environment variables from a file'],
  ['--expose <PORT>', 'Port or range of ports that --publish-all publishes too'],
  ['--group-add <GROUP>', 'Add a group to join'],
  ['-l, --label <KEY=VALUE>', 'Set a label'],
  ['--label-file <FILE>', 'Read labels from a file'],
  ['--log-opt <KEY=VALUE>', 'Option of the logging driver'],
  ['--mount <MOUNT>', 'Attach a mount, as type=volume,source=data,target=/data'],
  ['--network <NETWORK>', 'Connect to a network: NAME, host, none, container:NAME or name=NAME,alias=A,ip=IP'],
  ['--network-alias <ALIAS>', 'Add a name in the network'],
  ['-p, --publish <PORT>', 'Publish a port, as 8080:80, 127.0.0.1:8080:80/udp or 80'],
  ['--security-opt <OPTION>', 'Security option: no-new-privileges'],
  ['--sysctl <KEY=VALUE>', 'Set a sysctl'],
  ['--tmpfs <PATH>', 'Mount a tmpfs, as /run or /run:size=64m,exec'],
  ['--ulimit <NAME=SOFT:HARD>', 'Set a ulimit'],
  ['-v, --volume <VOLUME>', 'Mount a volume or path, as data:/target, /source:/target:ro or /target'],
];

const HIDDEN_LISTS: readonly (readonly [string, string])[] = [
  ['--net <NETWORK>', 'As --network'],
  ['--dns-opt <OPTION>', 'As --dns-option'],
];

const SCALARS: readonly (readonly [string, string])[] = [
  ['--cidfile <FILE>', "Write the container's id to a file"],
  ['--cpus <DECIMAL>', 'Number of CPUs'],
  ['--entrypoint <COMMAND>', "Replace the image's entrypoint"],
  ['-h, --hostname <NAME>', 'Host name of the container'],
  ['--ip <IP>', 'IPv4 address in its network'],
  ['--ip6 <IP>', 'IPv6 address in its network'],
  ['--log-driver <NAME>', 'Logging driver'],
  ['--mac-address <MAC>', 'MAC address in its network'],
  ['-m, --memory <BYTES>', 'Memory limit'],
  ['--memory-swap <BYTES>', 'Limit of memory plus swap; -1 for no limit'],
  ['--memory-swappiness <N>', 'Swappiness, 0 to 100 (with cgroups of version 1)'],
  ['--name <NAME>', 'Name of the container'],
  ['--oom-score-adj <N>', "The host's OOM preference, -1000 to 1000"],
  ['--pids-limit <N>', 'Limit of processes; -1 for no limit'],
  ['--pull <POLICY>', 'Pull the image: missing (default), always or never'],
  ['--restart <POLICY>', 'When it exits: no (default), on-failure[:MAX], always or unless-stopped'],
  ['--stop-signal <SIGNAL>', 'Signal that stops the container'],
  ['--stop-timeout <SECONDS>', 'Seconds until a container that is stopped is killed'],
  ['-u, --user <USER>', 'User name or UID, as NAME or UID[:GROUP]'],
  ['-w, --workdir <DIRECTORY>', 'Working directory in the container'],
];

const BOOLEANS: readonly (readonly [string, string])[] = [
  ['--init', 'Run an init that forwards signals and reaps processes'],
  ['-i, --interactive', 'Keep standard input open even if not attached'],
  ['-P, --publish-all', 'Publish all exposed ports to random ports'],
  ['-q, --quiet', 'Show no progress of a pull'],
  ['--read-only', 'Mount the root filesystem read-only'],
  ['--rm', 'Remove the container when it exits'],
  ['-t, --tty', 'Allocate a pseudo-TTY'],
];

/** The flags of `run` and `create`. What follows the image is the container's own. */
export function runOptions(command: Command): void {
  // -h is the host name here.
  command.helpOption('--help', 'display help for command').passThroughOptions();
  for (const [flags, what] of LISTS) listOption(command, flags, what);
  for (const [flags, what] of HIDDEN_LISTS) listOption(command, flags, what, true);
  for (const [flags, what] of [...SCALARS, ...BOOLEANS]) command.option(flags, what);
  for (const { name, value, reason } of REFUSED)
    command.addOption(new Option(value ? `--${name} <VALUE>` : `--${name}`, reason).hideHelp());
  for (const [flag, value, what] of HEALTH_FLAGS) command.option(`${flag} <${value}>`, what);
  command.option(...NO_HEALTHCHECK);
}
