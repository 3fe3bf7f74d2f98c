import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOptions } from '../options.js';
import { logsOptions } from './process-options.js';
import { createOptions, updateOptions } from './service-options.js';
import { registerServiceProcess } from './service-process.js';

export function registerService(program: Command, context: Context): void {
  const service = program.command('service').description('Manage services');

  const create = service
    .command('create')
    .description('Create a new service')
    .argument('<image>', 'Image to run')
    .argument('[command...]', "Command and arguments that replace the image's")
    .passThroughOptions()
    .action(async (image: string, args: string[], _options, command: Command) => {
      const { createService } = await import('../actions/service-create.js');
      await createService(context, image, args, flagsOf(command));
    });
  createOptions(create);

  const update = service
    .command('update')
    .description('Update a service')
    .argument('<service>', 'Name or id')
    .action(async (ref: string, _options, command: Command) => {
      const { updateService } = await import('../actions/service-update.js');
      await updateService(context, ref, flagsOf(command));
    });
  updateOptions(update);

  service
    .command('rollback')
    .description("Revert changes to a service's configuration")
    .argument('<service>', 'Name or id')
    .option('-d, --detach', 'Exit at once instead of waiting for the service to converge')
    .option('-q, --quiet', 'Show no progress')
    .action(async (ref: string, _options, command: Command) => {
      const { rollbackService } = await import('../actions/service-update.js');
      await rollbackService(context, ref, flagsOf(command));
    });

  service
    .command('scale')
    .description('Scale one or several replicated services')
    .argument('<service=replicas...>', 'As web=5')
    .option('-d, --detach', 'Exit at once instead of waiting for the services to converge')
    .action(async (targets: string[], _options, command: Command) => {
      const { scaleServices } = await import('../actions/service-update.js');
      await scaleServices(context, targets, flagsOf(command));
    });

  service
    .command('rebalance')
    .description('Move tasks of replicated services from nodes with more than their share to others')
    .argument('[service...]', 'Names or ids')
    .option('--all', 'All services that are replicated')
    .option('-d, --detach', 'Exit at once instead of waiting until the tasks have moved')
    .option('--dry-run', 'Only show what would be moved')
    .action(async (refs: string[], _options, command: Command) => {
      const { rebalanceServices } = await import('../actions/service-rebalance.js');
      await rebalanceServices(context, refs, flagsOf(command));
    });

  listOptions(service.command('ls').alias('list').description('List services'), 'Show only ids').action(
    async (_options, command: Command) => {
      const { listServices } = await import('../actions/service-list.js');
      await listServices(context, flagsOf(command));
    },
  );

  listOptions(
    service.command('ps').description('List the tasks of services').argument('<service...>', 'Names or ids'),
    'Show only task ids',
  )
    .option('--no-resolve', 'Show ids instead of names')
    .option('--no-trunc', 'Show ids and errors whole')
    .action(async (refs: string[], _options, command: Command) => {
      const { listServiceTasks } = await import('../actions/tasks.js');
      await listServiceTasks(context, refs, flagsOf(command));
    });

  inspectOptions(service.command('inspect').description('Show all about services').argument('<service...>'))
    .option('--pretty', 'Show the information in a form for people')
    .action(async (refs: string[], _options, command: Command) => {
      const { inspectServices } = await import('../actions/service-list.js');
      await inspectServices(context, refs, flagsOf(command));
    });

  service
    .command('rm')
    .alias('remove')
    .description('Remove services')
    .argument('<service...>', 'Names or ids')
    .action(async (refs: string[]) => {
      const { removeServices } = await import('../actions/service-list.js');
      await removeServices(context, refs);
    });

  logsOptions(
    service
      .command('logs')
      .description('Show the logs of a service or task')
      .argument('<service>', 'Name or id of a service, or id of a task'),
  ).action(async (ref: string, _options, command: Command) => {
    const { showLogs } = await import('../actions/logs.js');
    await showLogs(context, ref, flagsOf(command));
  });

  registerServiceProcess(service, context);
}
