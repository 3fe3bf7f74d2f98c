import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOption, listOptions } from '../options.js';

export function registerNode(program: Command, context: Context): void {
  const node = program.command('node').description('Manage the nodes of the swarm');

  listOptions(node.command('ls').alias('list').description('List nodes'), 'Show only ids').action(
    async (_options, command: Command) => {
      const { listNodes } = await import('../actions/nodes.js');
      await listNodes(context, flagsOf(command));
    },
  );

  inspectOptions(
    node.command('inspect').description('Show all about nodes').argument('<node...>', "Names, ids, or 'self'"),
  )
    .option('--pretty', 'Show the information in a form for people')
    .action(async (refs: string[], _options, command: Command) => {
      const { inspectNodes } = await import('../actions/nodes.js');
      await inspectNodes(context, refs, flagsOf(command));
    });

  listOptions(
    node.command('ps').description('List the tasks on nodes').argument('[node...]', "Names, ids, or 'self' (default)"),
    'Show only task ids',
  )
    .option('--no-resolve', 'Show ids instead of names')
    .option('--no-trunc', 'Show ids and errors whole')
    .action(async (refs: string[], _options, command: Command) => {
      const { listNodeTasks } = await import('../actions/tasks.js');
      await listNodeTasks(context, refs, flagsOf(command));
    });

  node
    .command('rm')
    .alias('remove')
    .description('Remove nodes from the swarm')
    .argument('<node...>', 'Names or ids')
    .option('-f, --force', 'Remove a node that is not down, or that is a manager')
    .action(async (refs: string[], _options, command: Command) => {
      const { removeNodes } = await import('../actions/nodes.js');
      await removeNodes(context, refs, flagsOf(command));
    });

  const update = node
    .command('update')
    .description('Update a node')
    .argument('<node>', "Name, id, or 'self'")
    .option('--availability <AVAILABILITY>', 'active, pause or drain')
    .option('--role <ROLE>', 'worker or manager');
  listOption(update, '--label-add <KEY=VALUE>', 'Add or update a label');
  listOption(update, '--label-rm <KEY>', 'Remove a label');
  update.action(async (ref: string, _options, command: Command) => {
    const { updateNode } = await import('../actions/nodes.js');
    await updateNode(context, ref, flagsOf(command));
  });

  for (const [name, role] of [
    ['promote', 'manager'],
    ['demote', 'worker'],
  ] as const)
    node
      .command(name)
      .description(`Make nodes ${role}s`)
      .argument('<node...>', 'Names or ids')
      .action(async (refs: string[]) => {
        const { setRole } = await import('../actions/nodes.js');
        await setRole(context, refs, role);
      });
}
