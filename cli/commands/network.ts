import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOption, listOptions } from '../options.js';

export function registerNetwork(program: Command, context: Context): void {
  const network = program.command('network').description('Manage networks');

  const create = network
    .command('create')
    .description('Create a network')
    .argument('<name>')
    .option('-d, --driver <DRIVER>', 'Driver of the network: overlay (default)')
    .option('--attachable', 'Let containers that are no tasks attach to it')
    .option('--ingress', 'Make the network of the routing mesh')
    .option('--internal', 'Give its tasks no way out of it')
    .option('--ipv6', 'Assign IPv6 addresses too')
    .option('--ipam-driver <DRIVER>', 'Driver that assigns addresses')
    .option('--scope <SCOPE>', 'Scope of the network: swarm (default)');
  listOption(create, '--subnet <CIDR>', 'Subnet, as 10.0.9.0/24');
  listOption(create, '--gateway <IP>', 'Gateway of a subnet');
  listOption(create, '--ip-range <CIDR>', 'Part of a subnet that addresses are taken of');
  listOption(create, '--aux-address <NAME=IP>', 'Address that no task gets');
  listOption(create, '-o, --opt <KEY=VALUE>', 'Option of the driver, as com.docker.network.driver.mtu=1400');
  listOption(create, '--ipam-opt <KEY=VALUE>', 'Option of the IPAM driver');
  listOption(create, '--label <KEY=VALUE>', 'Label of the network');
  create.action(async (name: string, _options, command: Command) => {
    const { createNetwork } = await import('../actions/networks.js');
    await createNetwork(context, name, flagsOf(command));
  });

  listOptions(network.command('ls').alias('list').description('List networks'), 'Show only ids')
    .option('--no-trunc', 'Show ids whole')
    .action(async (_options, command: Command) => {
      const { listNetworks } = await import('../actions/networks.js');
      await listNetworks(context, flagsOf(command));
    });

  inspectOptions(network.command('inspect').description('Show all about networks').argument('<network...>'))
    .option('-v, --verbose', 'Same as without: tasks of all nodes are always shown')
    .action(async (refs: string[], _options, command: Command) => {
      const { inspectNetworks } = await import('../actions/networks.js');
      await inspectNetworks(context, refs, flagsOf(command));
    });

  network
    .command('rm')
    .alias('remove')
    .description('Remove networks')
    .argument('<network...>', 'Names or ids')
    .option('-f, --force', 'Do not fail for a network that does not exist')
    .action(async (refs: string[], _options, command: Command) => {
      const { removeNetworks } = await import('../actions/networks.js');
      await removeNetworks(context, refs, flagsOf(command));
    });
}
