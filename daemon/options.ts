import { hostname } from 'node:os';
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../lib/errors.js';
import type { LogLevel } from '../lib/log.js';
import type { BalancerChoice } from '../netlb/balancer/choose.js';
import { type HostPort, parseHostPort } from './addresses.js';

/** Docker's. */
const METRICS_PORT = 9323;

/** Settings of one daemon. Several can share a machine when no folder, cgroup or network namespace of theirs is the same. */
export interface DaemonOptions {
  /** What must survive a reboot: the node's identity, the log, containers. */
  readonly dataRoot: string;
  /** What must not: sockets, namespaces, the pid file. */
  readonly runRoot: string;
  /** Several daemons may share one. */
  readonly imageRoot: string;
  readonly cgroupParent: string;
  readonly hostname: string;
  /** Of the engine: what `engine.labels.*` constraints look at. */
  readonly labels: Readonly<Record<string, string>>;
  readonly logLevel: LogLevel;
  readonly balancer: BalancerChoice;
  /** CIDR of swarm_gwbridge's own address; undefined: the first that is free. */
  readonly gatewayBridge?: string | undefined;
  /** Where metrics are shown; undefined: nowhere. */
  readonly metricsAddr?: HostPort | undefined;
}

const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** @throws CommanderError for flags that are wrong, after it has said so on standard error */
export function parseOptions(argv: readonly string[], version: string): DaemonOptions {
  const command = new Command('tsswarmd')
    .description('The daemon of a tsswarm node: runs its tasks and network, and a manager when the swarm asks for it.')
    .version(version)
    .option('--data-root <folder>', 'what survives a reboot: identity, log, containers', absolute, '/var/lib/tsswarm')
    .option('--run-root <folder>', 'sockets, namespaces and the pid file', absolute, '/run/tsswarm')
    .option(
      '--image-root <folder>',
      'image store; several daemons may share one (default: images in the data root)',
      absolute,
    )
    .option('--cgroup-parent <path>', 'cgroup under which those of the tasks are made', cgroup, '/tsswarm')
    .option('--hostname <name>', 'name of this node', hostname())
    .option('--label <key=value>', 'label of the engine, for constraints; can be repeated', label, {})
    .addOption(new Option('--log-level <level>', 'least severity that is logged').choices(LOG_LEVELS).default('info'))
    .addOption(
      new Option('--balancer <kind>', 'what spreads published ports over tasks; auto: ipvs where the kernel has it')
        .choices(['auto', 'ipvs', 'nft'])
        .default('auto'),
    )
    .option(
      '--gateway-bridge <cidr>',
      "address of swarm_gwbridge, the tasks' way out (default: 172.18.0.1/16, or the next that is free)",
    )
    .option(
      '--metrics-addr <host:port>',
      'address on which /metrics is shown to Prometheus, as 127.0.0.1:9323; who reaches it needs no password',
      metricsAddress,
    )
    .exitOverride();
  command.parse([...argv], { from: 'user' });
  const { label: labels, imageRoot, ...rest } = command.opts<Flags>();
  return { ...rest, labels, imageRoot: imageRoot ?? path.join(rest.dataRoot, 'images') };
}

/** As commander names them. */
interface Flags extends Omit<DaemonOptions, 'labels' | 'imageRoot'> {
  readonly label: DaemonOptions['labels'];
  readonly imageRoot?: string;
}

function metricsAddress(value: string): HostPort {
  try {
    return parseHostPort(value, METRICS_PORT);
  } catch (error) {
    throw new InvalidArgumentError(`${messageOf(error)}.`);
  }
}

function absolute(value: string): string {
  if (!path.isAbsolute(value)) throw new InvalidArgumentError('Must be an absolute path.');
  return path.normalize(value);
}

function cgroup(value: string): string {
  if (!/^(\/[^/]+)+$/.test(value) || value.includes('/..')) throw new InvalidArgumentError('Must look like /tsswarm.');
  return value;
}

function label(value: string, previous: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const at = value.indexOf('=');
  const [key, text] = at < 0 ? [value, ''] : [value.slice(0, at), value.slice(at + 1)];
  if (key === '') throw new InvalidArgumentError('Must look like key=value.');
  return { ...previous, [key]: text };
}
