import { type Command, Option } from 'commander';
import type { UpFlags } from '../actions/lab.js';
import type { Context } from '../context.js';
import { listOption } from '../options.js';

type Actions = typeof import('../actions/lab.js');

/** `tsswarm lab`: a swarm of several nodes on this machine. */
export function registerLab(program: Command, context: Context): void {
  const actions = (): Promise<Actions> => import('../actions/lab.js');
  const lab = program
    .command('lab')
    .description('Run a swarm of several nodes on this machine, each in a network namespace of its own')
    .enablePositionalOptions();
  const up = lab
    .command('up')
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
    .addOption(new Option('--balancer <KIND>', 'What spreads published ports').choices(['auto', 'nft']));
  listOption(up, '--label <KEY=VALUE>', 'Engine label of the nodes').action(async (flags: UpFlags) =>
    (await actions()).labUpAction(context, flags),
  );
  lab
    .command('down')
    .description('Take the lab down, also after a crash: nothing of it is left')
    .action(async () => (await actions()).labDownAction(context));
  lab
    .command('ls')
    .alias('list')
    .description('List the nodes of the lab')
    .option('--format <TEMPLATE>', "'json', 'table TEMPLATE' or a Go template, as '{{.Name}} {{.PID}}'")
    .option('-q, --quiet', 'Show only names')
    .action(async (flags: { format?: string; quiet?: boolean }) => (await actions()).labListAction(context, flags));
  lab
    .command('exec')
    .description('Run a command in the network namespace of a node or of the client')
    .argument('<node>', "node1, node2 … or 'client'")
    .argument('<command...>', 'Command and its arguments')
    .passThroughOptions()
    .action(async (node: string, command: string[]) => (await actions()).labExecAction(context, node, command));
  registerFaults(lab, context, actions);
}

function registerFaults(lab: Command, context: Context, actions: () => Promise<Actions>): void {
  const onNode = (name: string, description: string) => lab.command(name).description(description).argument('<node>');
  onNode('stop', 'End the daemon of a node as an upgrade does: its tasks go on').action(async (node: string) =>
    (await actions()).labStopAction(context, node),
  );
  onNode('start', 'Start the daemon of a node again').action(async (node: string) =>
    (await actions()).labStartAction(context, node),
  );
  onNode('kill', 'Kill the daemon of a node (SIGKILL)')
    .option('--containers', 'Kill all its containers too, as when the machine goes')
    .action(async (node: string, flags: { containers?: boolean }) =>
      (await actions()).labKillAction(context, node, flags),
    );
  onNode('partition', 'Cut a node off from all others and from the client')
    .option('--one-way', 'Only what it sends is lost')
    .action(async (node: string, flags: { oneWay?: boolean }) =>
      (await actions()).labPartitionAction(context, node, flags),
    );
  onNode('heal', 'End the partition of a node').action(async (node: string) =>
    (await actions()).labHealAction(context, node),
  );
}

function logLevel(): Option {
  return new Option('--log-level <LEVEL>', 'Least severity that the daemons log')
    .choices(['debug', 'info', 'warn', 'error'])
    .default('info');
}
