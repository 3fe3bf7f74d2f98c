import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOption, listOptions } from '../options.js';
import { registerContainerLife } from './container-life.js';
import { registerProcess } from './container-process.js';
import { runOptions } from './run-options.js';

/** The commands of containers: at the top, and below `container` as Docker has them. */
export function registerContainer(program: Command, context: Context): void {
  const group = program.command('container').description('Manage the containers of this machine');
  for (const parent of [program, group]) {
    registerRun(parent, context);
    registerProcess(parent, context);
    registerContainerLife(parent, context);
  }
  registerLists(program.command('ps'), context);
  registerLists(group.command('ls').aliases(['list', 'ps']), context);

  inspectOptions(program.command('inspect').description('Show all about any object'))
    .argument('<object...>', 'Names or ids of containers, images, volumes, networks, services, tasks or nodes')
    .option('--type <TYPE>', 'Only objects of this type: container, image, volume, network, service, task or node')
    .action(async (refs: string[], _options, command: Command) => {
      const { inspectObjects } = await import('../actions/inspect.js');
      await inspectObjects(context, refs, flagsOf(command));
    });
  inspectOptions(group.command('inspect').description('Show all about containers'))
    .argument('<container...>', 'Names or ids')
    .action(async (refs: string[], _options, command: Command) => {
      const { inspectObjects } = await import('../actions/inspect.js');
      await inspectObjects(context, refs, flagsOf(command).with({ type: 'container' }));
    });

  const prune = group.command('prune').description('Remove all stopped containers');
  listOption(prune, '--filter <KEY=VALUE>', 'Remove only what matches')
    .option('-f, --force', 'Do not ask')
    .action(async (_options, command: Command) => {
      const { pruneContainers } = await import('../actions/container-lifecycle.js');
      await pruneContainers(context, flagsOf(command));
    });
}

function registerRun(parent: Command, context: Context): void {
  const run = parent
    .command('run')
    .description('Create and run a new container from an image')
    .argument('<image>', 'Image to run')
    .argument('[command...]', "Command and arguments that replace the image's")
    .option('-d, --detach', "Run in the background and print the container's id")
    .option('--detach-keys <KEYS>', 'Keys that let go of the container (default ctrl-p,ctrl-q)')
    .option('--sig-proxy', 'Pass signals on to the process (default true)')
    .exitOverride((error) => {
      context.usageCode = EXIT_RUN;
      throw error;
    })
    .action(async (image: string, args: string[], _options, command: Command) => {
      context.failureCode = EXIT_RUN;
      const { runContainer } = await import('../actions/container-run.js');
      await runContainer(context, image, args, flagsOf(command));
    });
  runOptions(run);

  const create = parent
    .command('create')
    .description('Create a new container')
    .argument('<image>', 'Image to run')
    .argument('[command...]', "Command and arguments that replace the image's")
    .action(async (image: string, args: string[], _options, command: Command) => {
      const { createContainer } = await import('../actions/container-run.js');
      await createContainer(context, image, args, flagsOf(command));
    });
  runOptions(create);
}

/** Of `run`, for all that is not the container's own exit code. */
const EXIT_RUN = 125;

function registerLists(command: Command, context: Context): void {
  listOptions(command.description('List containers'), 'Show only ids')
    .option('-a, --all', 'Show all containers, not only those that run')
    .option('-n, --last <N>', 'Show the N that were created last, in all states')
    .option('-l, --latest', 'Show the one that was created last, in all states')
    .option('--no-trunc', 'Show everything whole')
    .action(async (_options, self: Command) => {
      const { listContainers } = await import('../actions/container-list.js');
      await listContainers(context, flagsOf(self));
    });
}
