import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, listOption } from '../options.js';

/** The commands that make and leave a swarm: at the top, and below `swarm` as Docker has them. */
export function registerSwarm(program: Command, context: Context): void {
  register(program, context);
  const swarm = program.command('swarm').description('Manage the swarm (the same commands as Docker names them)');
  register(swarm, context);
}

function register(parent: Command, context: Context): void {
  const init = parent
    .command('init')
    .description('Make a swarm with this machine as its first manager')
    .option(
      '--force-new-cluster',
      'Make a new cluster of this manager alone from its state: the quorum is lost for good',
    )
    .option('--data-path-port <PORT>', 'UDP port of the overlay networks, 1024-49151 (default 4789)')
    .option('--default-addr-pool-mask-length <BITS>', 'Prefix length of subnets from the pool (default 24)');
  listOption(init, '--default-addr-pool <CIDR>', 'Pool that subnets are taken of (default 10.0.0.0/8)');
  addressOptions(init);
  clusterOptions(init);
  init.action(async (_options, command: Command) => {
    const { initSwarm } = await import('../actions/swarm-membership.js');
    await initSwarm(context, flagsOf(command));
  });

  const join = parent
    .command('join')
    .description('Join a swarm')
    .argument('<address...>', 'HOST:PORT of a manager, and of others to fall back on')
    .option('--token <TOKEN>', 'Token of the swarm, from "tsswarm join-token"');
  addressOptions(join);
  join.action(async (addresses: string[], _options, command: Command) => {
    const { joinSwarm } = await import('../actions/swarm-membership.js');
    await joinSwarm(context, addresses, flagsOf(command));
  });

  parent
    .command('leave')
    .description('Leave the swarm')
    .option('-f, --force', 'Force this node to leave the swarm, ignoring warnings')
    .action(async (_options, command: Command) => {
      const { leaveSwarm } = await import('../actions/swarm-membership.js');
      await leaveSwarm(context, flagsOf(command));
    });

  parent
    .command('join-token')
    .description('Show or rotate a join token')
    .argument('<role>', 'worker or manager')
    .option('--rotate', 'Make a new token; the old one is no longer taken')
    .option('-q, --quiet', 'Show only the token')
    .action(async (role: string, _options, command: Command) => {
      const { joinToken } = await import('../actions/swarm-settings.js');
      await joinToken(context, role, flagsOf(command));
    });

  const update = parent.command('update').description('Update settings of the swarm');
  clusterOptions(update);
  update.action(async (_options, command: Command) => {
    const { updateSwarm } = await import('../actions/swarm-settings.js');
    await updateSwarm(context, flagsOf(command));
  });
}

function addressOptions(command: Command): void {
  command
    .option('--advertise-addr <ADDRESS>', 'Address that others reach this node at: IP or interface, with optional port')
    .option('--availability <AVAILABILITY>', 'active (default), pause or drain')
    .option('--data-path-addr <ADDRESS>', 'Address of the traffic between tasks: IP or interface')
    .option('--listen-addr <ADDRESS>', 'Address to listen on (default 0.0.0.0:2377)');
}

function clusterOptions(command: Command): void {
  command
    .option('--auto-rebalance', 'Spread replicated services anew when a node becomes available')
    .option('--autolock', 'Lock managers when they stop')
    .option('--cert-expiry <DURATION>', 'Validity of node certificates; only 2160h until there are any')
    .option('--dispatcher-heartbeat <DURATION>', "Period of the nodes' heartbeats (default 5s)")
    .option('--max-snapshots <N>', 'Old Raft snapshots to keep (default 0)')
    .option('--snapshot-interval <N>', 'Log entries between Raft snapshots (default 10000)')
    .option('--task-history-limit <N>', 'Ended tasks to keep for each slot (default 5)');
}
