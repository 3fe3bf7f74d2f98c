import { killDaemon, restartDaemon, stopDaemon } from '../../lab/daemons.js';
import { labExec } from '../../lab/exec.js';
import { heal, partition } from '../../lab/faults.js';
import { type LabNode, labNode, labUp, listLab } from '../../lab/lab.js';
import { CLIENT, CLIENT_ADDRESS, namespaceOf } from '../../lab/layout.js';
import { takeDown } from '../../lab/teardown.js';
import { invalidArgument } from '../../lib/errors.js';
import { parseDuration } from '../../lib/units.js';
import type { Context } from '../context.js';
import { type ListView, renderList } from '../format/list.js';
import { isListening, RUN_ROOT, socketIn } from '../host.js';

/** As commander gives them. */
export interface UpFlags {
  readonly nodes: string;
  readonly managers: string;
  readonly attachHost?: boolean;
  readonly dispatcherHeartbeat: string;
  readonly logLevel: string;
  readonly label?: readonly string[];
  readonly balancer?: string;
}

export async function labUpAction({ io }: Context, flags: UpFlags): Promise<void> {
  const options = {
    nodes: count('--nodes', flags.nodes),
    managers: count('--managers', flags.managers),
    attachHost: flags.attachHost === true,
    dispatcherHeartbeat: parseDuration(flags.dispatcherHeartbeat),
    logLevel: flags.logLevel,
    labels: flags.label ?? [],
    balancer: flags.balancer ?? '',
  };
  const nodes = await labUp(options, (step) => io.err(`${step}\n`), io.interrupted());
  const last = nodes.at(-1);
  const stations = nodes.map(({ name, address }) => `${name} ${address}`);
  const own = await isListening(socketIn(RUN_ROOT));
  io.out(`The lab is up: ${stations.join(', ')}, client ${CLIENT_ADDRESS}.
${own ? `\nThis machine has a daemon of its own, which commands talk to. To have them talk to node1's:\n    export TSSWARM_HOST=${nodes[0]?.host}\n` : ''}
To see it:
    tsswarm lab ls
    tsswarm node ls
    tsswarm lab exec node1 -- ip address
To talk to another daemon than node1's:
    tsswarm -H ${last?.host} info
To ask a published port from outside of the nodes:
    ip netns exec ${namespaceOf(CLIENT)} curl http://${nodes[0]?.address}:8080/
To take it down:
    tsswarm lab down
`);
}

export async function labDownAction({ io }: Context): Promise<void> {
  io.out((await takeDown()) ? 'The lab is down.\n' : 'There is no lab.\n');
}

interface LabRow {
  readonly Name: string;
  readonly Role: string;
  readonly Address: string;
  readonly Host: string;
  readonly PID: string;
  readonly Status: string;
}

const LAB_VIEW: ListView<LabRow> = {
  table: '{{.Name}}\t{{.Role}}\t{{.Address}}\t{{.Host}}\t{{.PID}}\t{{.Status}}',
  headers: { Name: 'NAME', Role: 'ROLE', Address: 'ADDRESS', Host: 'HOST', PID: 'PID', Status: 'STATUS' },
  quiet: ({ Name }) => Name,
};

const rowOf = ({ layout, role, pid, status }: LabNode): LabRow => ({
  Name: layout.name,
  Role: role,
  Address: layout.address,
  Host: layout.host,
  PID: pid === undefined ? '' : String(pid),
  Status: status,
});

export async function labListAction({ io }: Context, flags: { format?: string; quiet?: boolean }): Promise<void> {
  const rows = (await listLab()).map(rowOf);
  io.out(renderList(LAB_VIEW, rows, { format: flags.format, quiet: flags.quiet === true }));
}

export async function labExecAction(context: Context, station: string, command: readonly string[]): Promise<void> {
  // What ends our own flags is not the command's.
  context.exitCode = await labExec(station, command[0] === '--' ? command.slice(1) : command);
}

export async function labStopAction({ io }: Context, name: string): Promise<void> {
  await stopDaemon(labNode(name));
  io.out(`${name}\n`);
}

export async function labStartAction({ io }: Context, name: string): Promise<void> {
  await restartDaemon(labNode(name));
  io.out(`${name}\n`);
}

export async function labKillAction({ io }: Context, name: string, flags: { containers?: boolean }): Promise<void> {
  await killDaemon(labNode(name), flags.containers === true);
  io.out(`${name}\n`);
}

export async function labPartitionAction({ io }: Context, name: string, flags: { oneWay?: boolean }): Promise<void> {
  await partition(labNode(name), flags.oneWay ? 'outgoing' : 'both');
  io.out(`${name}\n`);
}

export async function labHealAction({ io }: Context, name: string): Promise<void> {
  await heal(labNode(name));
  io.out(`${name}\n`);
}

function count(flag: string, text: string): number {
  if (!/^\d{1,4}$/.test(text)) {
    throw invalidArgument(`invalid argument "${text}" for "${flag}" flag: must be a whole number`, { value: text });
  }
  return Number(text);
}
