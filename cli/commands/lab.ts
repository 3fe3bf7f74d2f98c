import { type Command, Option } from 'commander';
import type { KillFlags, LabFlags, ListFlags, PartitionFlags, UpFlags } from '../actions/lab.js';
import type { Context } from '../context.js';
import { listOption } from '../options.js';

type Actions = typeof import('../actions/lab.js');

/** `tsswarm lab`: swarms of several nodes on this machine. */
export function registerLab(program: Command, context: Context): void {
  const actions = (): Promise<Actions> => import('../actions/lab.js');
  const lab = program
    .command('lab')
    .description('Run a swarm of several nodes on this machine, each in a network namespace of its own')
    .enablePositionalOptions();
  const up = named(lab.command('up'))
    .description('Make a lab: node1 is the first manager, the other nodes join it')
    .option('--nodes <N>', 'Number of nodes', '3')
    .option('--managers <N>', 'How many of them are managers, from node1 on', '1')
    .option('--attach-host', "Give this machine an address in the lab's network")
    .option(
      '--dispatcher-heartbeat <DURATION>',
      "Period of the nodes' heartbeats: after three a silent node is down",
      '1s',
    )
    .addOption(logLevel())
    .addOption(new Option('--balancer <KIND>', 'What spreads published ports').choices(['auto', 'ipvs', 'nft']));
  listOption(up, '--label <KEY=VALUE>', 'Engine label of the nodes').action(async (flags: UpFlags) =>
    (await actions()).labUpAction(context, flags),
  );
  named(lab.command('down'))
    .description('Take a lab down, also after a crash: nothing of it is left')
    .option('--all', 'Take down all labs of this machine')
    .action(async (flags: LabFlags & { all?: boolean }) => (await actions()).labDownAction(context, flags));
  named(lab.command('ls'), 'Show one lab alone')
    .alias('list')
    .description('List the labs of this machine, by their nodes')
    .option('--format <TEMPLATE>', "'json', 'table TEMPLATE' or a Go template, as '{{.Name}} {{.PID}}'")
    .option('-q, --quiet', 'Show only names')
    .action(async (flags: ListFlags) => (await actions()).labListAction(context, flags));
  named(lab.command('exec'))
    .description('Run a command in the network namespace of a node or of the client')
    .argument('<node>', "node1, node2 … or 'client'")
    .argument('<command...>', 'Command and its arguments')
    .passThroughOptions()
    .action(async (node: string, command: string[], flags: LabFlags) =>
      (await actions()).labExecAction(context, node, command, flags),
    );
  registerFaults(lab, context, actions);
}

function registerFaults(lab: Command, context: Context, actions: () => Promise<Actions>): void {
  const onNode = (name: string, description: string) =>
    named(lab.command(name)).description(description).argument('<node>');
  onNode('stop', 'End the daemon of a node as an upgrade does: its tasks go on').action(
    async (node: string, flags: LabFlags) => (await actions()).labStopAction(context, node, flags),
  );
  onNode('start', 'Start the daemon of a node again').action(async (node: string, flags: LabFlags) =>
    (await actions()).labStartAction(context, node, flags),
  );
  onNode('kill', 'Kill the daemon of a node (SIGKILL)')
    .option('--containers', 'Kill all its containers too, as when the machine goes')
    .action(async (node: string, flags: KillFlags) => (await actions()).labKillAction(context, node, flags));
  onNode('partition', 'Cut a node off from all others and from the client')
    .option('--one-way', 'Only what it sends is lost')
    .action(async (node: string, flags: PartitionFlags) => (await actions()).labPartitionAction(context, node, flags));
  onNode('heal', 'End the partition of a node').action(async (node: string, flags: LabFlags) =>
    (await actions()).labHealAction(context, node, flags),
  );
}

/** Every command about labs takes the name of one; the environment names the one that a shell works with. */
function named(command: Command, description = 'Name of the lab'): Command {
  return command.addOption(new Option('--name <NAME>', `${description} (env TSSWARM_LAB)`));
}

function logLevel(): Option {
  return new Option('--log-level <LEVEL>', 'Least severity that the daemons log')
    .choices(['debug', 'info', 'warn', 'error'])
    .default('info');
}
