import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOption, listOptions } from '../options.js';
import { registerTrace } from './trace.js';

export function registerNetwork(program: Command, context: Context): void {
  const network = program.command('network').description('Manage networks');

  const create = network
    .command('create')
    .description('Create a network')
    .argument('<name>')
    .option(
      '-d, --driver <DRIVER>',
      'Driver of the network: bridge (default; of this machine), overlay or routed (of the swarm)',
    )
    .option('--attachable', 'Let containers that are no tasks connect to it')
    .option('--ingress', 'Make the network of the routing mesh')
    .option('--internal', 'Give what is in it no way out of it')
    .option('--ipv4', 'Assign IPv4 addresses (default true)')
    .option('--ipv6', 'Assign IPv6 addresses too')
    .option('--ipam-driver <DRIVER>', 'Driver that assigns addresses')
    .option('--scope <SCOPE>', 'Scope of the network: as the driver has, local or swarm');
  listOption(create, '--subnet <CIDR>', 'Subnet, as 10.0.9.0/24');
  listOption(create, '--gateway <IP>', 'Gateway of a subnet');
  listOption(create, '--ip-range <CIDR>', 'Part of a subnet that addresses are taken of');
  listOption(create, '--aux-address <NAME=IP>', 'Address that nothing in the network gets');
  listOption(
    create,
    '-o, --opt <KEY=VALUE>',
    'Option of the driver, as com.docker.network.driver.mtu=1400 or backend=host-gw',
  );
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
    .option(
      '-v, --verbose',
      "Show services and their tasks on all nodes, and the nodes' subnets of a routed network, too",
    )
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

  const connect = network
    .command('connect')
    .description('Connect a container to a network')
    .argument('<network>', 'Name or id')
    .argument('<container>', 'Name or id')
    .option('--ip <IP>', 'IPv4 address')
    .option('--ip6 <IP>', 'IPv6 address')
    .option('--mac-address <MAC>', 'MAC address');
  listOption(connect, '--alias <ALIAS>', 'Name of the container in this network');
  connect.action(async (ref: string, container: string, _options, command: Command) => {
    const { connectNetwork } = await import('../actions/networks.js');
    await connectNetwork(context, ref, container, flagsOf(command));
  });

  network
    .command('disconnect')
    .description('Disconnect a container from a network')
    .argument('<network>', 'Name or id')
    .argument('<container>', 'Name or id')
    .option('-f, --force', 'Disconnect it even if the network is gone')
    .action(async (ref: string, container: string, _options, command: Command) => {
      const { disconnectNetwork } = await import('../actions/networks.js');
      await disconnectNetwork(context, ref, container, flagsOf(command));
    });

  const prune = network.command('prune').description('Remove all networks that nothing uses');
  listOption(prune, '--filter <KEY=VALUE>', 'Remove only what matches')
    .option('-f, --force', 'Do not ask')
    .action(async (_options, command: Command) => {
      const { pruneNetworks } = await import('../actions/networks.js');
      await pruneNetworks(context, flagsOf(command));
    });

  network
    .command('rotate-keys')
    .description('Give encrypted networks new keys now, and end the old ones')
    .option('-d, --detach', 'Exit at once instead of waiting until no node takes the old ones')
    .action(async (_options, command: Command) => {
      const { rotateNetworkKeys } = await import('../actions/network-keys.js');
      await rotateNetworkKeys(context, flagsOf(command));
    });

  registerTrace(network, context);
}
