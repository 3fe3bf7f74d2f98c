import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, listOption, listOptions } from '../options.js';

export function registerImage(program: Command, context: Context): void {
  const image = program.command('image').description('Manage the images of a node');
  const list = (command: Command) =>
    listOptions(command, 'Show only ids')
      .argument('[image]', 'Show only this repository or name')
      .option('--no-trunc', 'Show ids whole')
      .option('--digests', 'Show digests')
      .action(async (name: string | undefined, _options, self: Command) => {
        const { listImages } = await import('../actions/images.js');
        await listImages(context, name, flagsOf(self));
      });
  list(image.command('ls').alias('list').description('List images'));
  list(program.command('images').description('List images (as "image ls")'));

  const importCommand = image
    .command('import')
    .description('Import an image: an OCI archive, a docker archive or the tarball of a root filesystem')
    .argument('<file>', "Path, or '-' for standard input")
    .argument('[name]', 'Name to give it, as repository:tag')
    .option('--import-format <FORMAT>', 'oci-archive, docker-archive or rootfs (default: found out)');
  listOption(
    importCommand,
    '-c, --change <INSTRUCTION>',
    'Dockerfile instruction for a rootfs, as \'CMD ["/bin/sh"]\'',
  );
  importCommand.action(async (file: string, name: string | undefined, _options, command: Command) => {
    const { importImage } = await import('../actions/images.js');
    await importImage(context, file, name, flagsOf(command));
  });

  image
    .command('pull')
    .description('Pull an image from a registry')
    .argument('<name>', 'As [registry/]repository[:tag]')
    .option('--plain-http', 'Talk to the registry without TLS')
    .option('-q, --quiet', 'Show no progress')
    .action(async (name: string, _options, command: Command) => {
      const { pullImage } = await import('../actions/images.js');
      await pullImage(context, name, flagsOf(command));
    });

  image
    .command('rm')
    .alias('remove')
    .description('Remove images')
    .argument('<image...>', 'Names or ids')
    .option('-f, --force', 'Remove an image that has several names or is in use')
    .action(async (refs: string[], _options, command: Command) => {
      const { removeImages } = await import('../actions/images.js');
      await removeImages(context, refs, flagsOf(command));
    });
}
