import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOption, listOptions } from '../options.js';

export function registerVolume(program: Command, context: Context): void {
  const volume = program.command('volume').description('Manage the volumes of this machine');

  const create = volume
    .command('create')
    .description('Create a volume')
    .argument('[name]', 'Name; one is made up when it is left out')
    .option('-d, --driver <DRIVER>', 'Driver of the volume: local');
  listOption(create, '-o, --opt <KEY=VALUE>', 'Option of the driver: type, o or device, as of mount(8)');
  listOption(create, '--label <KEY=VALUE>', 'Label of the volume');
  create.action(async (name: string | undefined, _options, command: Command) => {
    const { createVolume } = await import('../actions/volumes.js');
    await createVolume(context, name ?? '', flagsOf(command));
  });

  listOptions(volume.command('ls').alias('list').description('List volumes'), 'Show only names').action(
    async (_options, command: Command) => {
      const { listVolumes } = await import('../actions/volumes.js');
      await listVolumes(context, flagsOf(command));
    },
  );

  inspectOptions(volume.command('inspect').description('Show all about volumes').argument('<volume...>')).action(
    async (names: string[], _options, command: Command) => {
      const { inspectVolumes } = await import('../actions/volumes.js');
      await inspectVolumes(context, names, flagsOf(command));
    },
  );

  volume
    .command('rm')
    .alias('remove')
    .description('Remove volumes with their data')
    .argument('<volume...>', 'Names')
    .option('-f, --force', 'Do not fail for a volume that does not exist')
    .action(async (names: string[], _options, command: Command) => {
      const { removeVolumes } = await import('../actions/volumes.js');
      await removeVolumes(context, names, flagsOf(command));
    });

  const prune = volume.command('prune').description('Remove anonymous volumes that no container has');
  listOption(prune, '--filter <KEY=VALUE>', 'Remove only what matches')
    .option('-a, --all', 'Remove those with names too')
    .option('-f, --force', 'Do not ask')
    .action(async (_options, command: Command) => {
      const { pruneVolumes } = await import('../actions/volumes.js');
      await pruneVolumes(context, flagsOf(command));
    });
}
