import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf } from '../options.js';

/** Starting, stopping and removing containers. */
export function registerContainerLife(parent: Command, context: Context): void {
  const several = (name: string, description: string) =>
    parent.command(name).description(description).argument('<container...>', 'Names or ids');
  const stopping = (command: Command) =>
    command
      .option('-s, --signal <SIGNAL>', 'Signal to send (default: as the container says)')
      .option('-t, --timeout <SECONDS>', 'Seconds until it is killed; -1 for never')
      .addOption(command.createOption('--time <SECONDS>', 'As --timeout').hideHelp());

  several('start', 'Start stopped containers')
    .option('-a, --attach', 'Attach to output and forward signals')
    .option('-i, --interactive', 'Attach to standard input')
    .option('--detach-keys <KEYS>', 'Keys that let go of the container (default ctrl-p,ctrl-q)')
    .action(async (refs: string[], _options, command: Command) => {
      const { startContainers } = await import('../actions/container-streams.js');
      await startContainers(context, refs, flagsOf(command));
    });

  stopping(several('stop', 'Stop running containers')).action(async (refs: string[], _options, command: Command) => {
    const { stopContainers } = await import('../actions/container-lifecycle.js');
    await stopContainers(context, refs, flagsOf(command));
  });

  stopping(several('restart', 'Restart containers')).action(async (refs: string[], _options, command: Command) => {
    const { restartContainers } = await import('../actions/container-lifecycle.js');
    await restartContainers(context, refs, flagsOf(command));
  });

  several('kill', 'Kill running containers')
    .option('-s, --signal <SIGNAL>', 'Signal to send (default KILL)')
    .action(async (refs: string[], _options, command: Command) => {
      const { killContainers } = await import('../actions/container-lifecycle.js');
      await killContainers(context, refs, flagsOf(command));
    });

  several('rm', 'Remove containers')
    .alias('remove')
    .option('-f, --force', 'Kill and remove a container that runs')
    .option('-v, --volumes', 'Remove its anonymous volumes too')
    .action(async (refs: string[], _options, command: Command) => {
      const { removeContainers } = await import('../actions/container-lifecycle.js');
      await removeContainers(context, refs, flagsOf(command));
    });

  several('wait', 'Wait until containers stop, then print their exit codes').action(async (refs: string[]) => {
    const { waitForContainers } = await import('../actions/container-lifecycle.js');
    await waitForContainers(context, refs);
  });
}
