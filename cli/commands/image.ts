import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOption, listOptions } from '../options.js';

/** Docker has the older of these commands at the top too. */
export function registerImage(program: Command, context: Context): void {
  const image = program.command('image').description('Manage the images of a node');
  listing(image.command('ls').alias('list').description('List images'), context);
  listing(program.command('images').description('List images (as "image ls")'), context);
  inspecting(image.command('inspect'), context);
  for (const parent of [image, program]) {
    importing(parent.command('import'), context);
    pulling(parent.command('pull'), context);
  }
  removing(image.command('rm').alias('remove').description('Remove images'), context);
  removing(program.command('rmi').description('Remove images (as "image rm")'), context);
}

function listing(command: Command, context: Context): void {
  listOptions(command, 'Show only ids')
    .argument('[image]', 'Show only this repository or name')
    .option('-a, --all', 'Show all images, which is what is shown without it too')
    .option('--no-trunc', 'Show ids whole')
    .option('--digests', 'Show digests')
    .action(async (name: string | undefined, _options, self: Command) => {
      const { listImages } = await import('../actions/images.js');
      await listImages(context, name, flagsOf(self));
    });
}

function inspecting(command: Command, context: Context): void {
  inspectOptions(command.description('Show all about images').argument('<image...>', 'Names or ids')).action(
    async (refs: string[], _options, self: Command) => {
      const { inspectImages } = await import('../actions/images.js');
      await inspectImages(context, refs, flagsOf(self));
    },
  );
}

function importing(command: Command, context: Context): void {
  command
    .description('Import an image: an OCI archive, a docker archive or the tarball of a root filesystem')
    .argument('<file>', "Path, or '-' for standard input")
    .argument('[name]', 'Name to give it, as repository:tag')
    .option('--import-format <FORMAT>', 'oci-archive, docker-archive or rootfs (default: found out)');
  listOption(command, '-c, --change <INSTRUCTION>', 'Dockerfile instruction for a rootfs, as \'CMD ["/bin/sh"]\'');
  command.action(async (file: string, name: string | undefined, _options, self: Command) => {
    const { importImage } = await import('../actions/images.js');
    await importImage(context, file, name, flagsOf(self));
  });
}

function pulling(command: Command, context: Context): void {
  command
    .description('Pull an image from a registry')
    .argument('<name>', 'As [registry/]repository[:tag]')
    .option('--plain-http', 'Talk to the registry without TLS')
    .option('-q, --quiet', 'Show no progress')
    .action(async (name: string, _options, self: Command) => {
      const { pullImage } = await import('../actions/images.js');
      await pullImage(context, name, flagsOf(self));
    });
}

function removing(command: Command, context: Context): void {
  command
    .argument('<image...>', 'Names or ids')
    .option('-f, --force', 'Remove an image that has several names or is in use')
    .action(async (refs: string[], _options, self: Command) => {
      const { removeImages } = await import('../actions/images.js');
      await removeImages(context, refs, flagsOf(self));
    });
}
