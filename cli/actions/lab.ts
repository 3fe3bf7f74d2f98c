import { killDaemon, restartDaemon, stopDaemon } from '../../lab/daemons.js';
import { labExec } from '../../lab/exec.js';
import { heal, partition } from '../../lab/faults.js';
import { labNames } from '../../lab/inventory.js';
import { type LabNode, labNode, labUp, listLab, listLabs } from '../../lab/lab.js';
import {
  CLIENT,
  CLIENT_ADDRESS,
  commandOf,
  DEFAULT_LAB,
  type LabLayout,
  labLayout,
  type NodeLayout,
  namespaceOf,
  RUN_ROOT,
  titleOf,
} from '../../lab/layout.js';
import { takeDown } from '../../lab/teardown.js';
import { invalidArgument, messageOf } from '../../lib/errors.js';
import { parseDuration } from '../../lib/units.js';
import type { Context } from '../context.js';
import { type ListView, renderList } from '../format/list.js';
import { isListening, socketIn } from '../host.js';

/** As commander gives them. */
export interface LabFlags {
  readonly name?: string;
}

export interface KillFlags extends LabFlags {
  readonly containers?: boolean;
}

export interface PartitionFlags extends LabFlags {
  readonly oneWay?: boolean;
}

export interface ListFlags extends LabFlags {
  readonly format?: string;
  readonly quiet?: boolean;
}

export interface UpFlags extends LabFlags {
  readonly nodes: string;
  readonly managers: string;
  readonly attachHost?: boolean;
  readonly dispatcherHeartbeat: string;
  readonly logLevel: string;
  readonly label?: readonly string[];
  readonly balancer?: string;
}

/** The lab that is named by flag or environment. @throws INVALID_ARGUMENT when no lab can have that name */
function namedLab({ io }: Context, { name }: LabFlags): LabLayout | undefined {
  const asked = name ?? io.env.TSSWARM_LAB;
  return asked === undefined || (asked === '' && name === undefined) ? undefined : labLayout(asked);
}

const labOf = (context: Context, flags: LabFlags): LabLayout => namedLab(context, flags) ?? labLayout(DEFAULT_LAB);
const nodeOf = (context: Context, flags: LabFlags, node: string): NodeLayout => labNode(labOf(context, flags), node);

export async function labUpAction(context: Context, flags: UpFlags): Promise<void> {
  const { io } = context;
  const lab = labOf(context, flags);
  const options = {
    nodes: count('--nodes', flags.nodes),
    managers: count('--managers', flags.managers),
    attachHost: flags.attachHost === true,
    dispatcherHeartbeat: parseDuration(flags.dispatcherHeartbeat),
    logLevel: flags.logLevel,
    labels: flags.label ?? [],
    balancer: flags.balancer ?? '',
  };
  const nodes = await labUp(lab, options, (step) => io.err(`${step}\n`), io.interrupted());
  const last = nodes.at(-1);
  const stations = nodes.map(({ name, address }) => `${name} ${address}`);
  const own = await isListening(socketIn(RUN_ROOT));
  io.out(`The ${titleOf(lab)} is up: ${stations.join(', ')}, client ${CLIENT_ADDRESS}.
${own || lab.name !== DEFAULT_LAB ? `\nTo have commands mean this lab, and no other daemon of this machine:\n    export TSSWARM_LAB=${lab.name}\n` : ''}
To see it:
    tsswarm lab ls
    tsswarm node ls
    ${commandOf(lab, 'exec', 'node1 -- ip address')}
To talk to another daemon than node1's:
    tsswarm -H ${last?.host} info
To ask a published port from outside of the nodes:
    ip netns exec ${namespaceOf(lab, CLIENT)} curl http://${nodes[0]?.address}:8080/
To take it down:
    ${commandOf(lab, 'down')}
`);
}

export async function labDownAction(context: Context, flags: LabFlags & { readonly all?: boolean }): Promise<void> {
  if (flags.all && flags.name !== undefined)
    throw invalidArgument('--all and --name exclude each other', { value: flags.name });
  const labs = flags.all ? (await labNames()).map(labLayout) : [labOf(context, flags)];
  if (flags.all && labs.length === 0) context.io.out('There is no lab.\n');
  await downAll(context, labs, takeDown);
}

/**
 * Takes down all of them at once. What is wrong with one keeps none of the others, and each is told.
 * @param down false when there was no such lab
 * @throws what the first has failed by
 */
export async function downAll(
  { io }: Pick<Context, 'io'>,
  labs: readonly LabLayout[],
  down: (lab: LabLayout) => Promise<boolean>,
): Promise<void> {
  const results = await Promise.allSettled(labs.map(down));
  const failures: unknown[] = [];
  for (const [i, lab] of labs.entries()) {
    const result = results[i];
    if (result?.status === 'fulfilled')
      io.out(result.value ? `The ${titleOf(lab)} is down.\n` : `There is no ${titleOf(lab)}.\n`);
    else {
      // The first is told by who calls.
      if (failures.length > 0) io.err(`Error: ${messageOf(result?.reason)}\n`);
      failures.push(result?.reason);
    }
  }
  if (failures.length > 0) throw failures[0];
}

interface LabRow {
  readonly Lab: string;
  readonly Name: string;
  readonly Role: string;
  readonly Address: string;
  readonly Host: string;
  readonly PID: string;
  readonly Status: string;
}

const LAB_VIEW: ListView<LabRow> = {
  table: '{{.Lab}}\t{{.Name}}\t{{.Role}}\t{{.Address}}\t{{.Host}}\t{{.PID}}\t{{.Status}}',
  headers: {
    Lab: 'LAB',
    Name: 'NAME',
    Role: 'ROLE',
    Address: 'ADDRESS',
    Host: 'HOST',
    PID: 'PID',
    Status: 'STATUS',
  },
  quiet: ({ Name }) => Name,
};

const rowOf = ({ layout, role, pid, status }: LabNode): LabRow => ({
  Lab: layout.lab.name,
  Name: layout.name,
  Role: role,
  Address: layout.address,
  Host: layout.host,
  PID: pid === undefined ? '' : String(pid),
  Status: status,
});

export async function labListAction(context: Context, flags: ListFlags): Promise<void> {
  const lab = namedLab(context, flags);
  const rows = (await (lab ? listLab(lab) : listLabs())).map(rowOf);
  context.io.out(renderList(LAB_VIEW, rows, { format: flags.format, quiet: flags.quiet === true }));
}

export async function labExecAction(
  context: Context,
  station: string,
  command: readonly string[],
  flags: LabFlags,
): Promise<void> {
  // What ends our own flags is not the command's.
  context.exitCode = await labExec(labOf(context, flags), station, command[0] === '--' ? command.slice(1) : command);
}

export async function labStopAction(context: Context, name: string, flags: LabFlags): Promise<void> {
  await stopDaemon(nodeOf(context, flags, name));
  context.io.out(`${name}\n`);
}

export async function labStartAction(context: Context, name: string, flags: LabFlags): Promise<void> {
  await restartDaemon(nodeOf(context, flags, name));
  context.io.out(`${name}\n`);
}

export async function labKillAction(context: Context, name: string, flags: KillFlags): Promise<void> {
  await killDaemon(nodeOf(context, flags, name), flags.containers === true);
  context.io.out(`${name}\n`);
}

export async function labPartitionAction(context: Context, name: string, flags: PartitionFlags): Promise<void> {
  await partition(nodeOf(context, flags, name), flags.oneWay ? 'outgoing' : 'both');
  context.io.out(`${name}\n`);
}

export async function labHealAction(context: Context, name: string, flags: LabFlags): Promise<void> {
  await heal(nodeOf(context, flags, name));
  context.io.out(`${name}\n`);
}

function count(flag: string, text: string): number {
  if (!/^\d{1,4}$/.test(text)) {
    throw invalidArgument(`invalid argument "${text}" for "${flag}" flag: must be a whole number`, { value: text });
  }
  return Number(text);
}
