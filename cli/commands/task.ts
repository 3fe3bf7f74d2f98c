import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOptions } from '../options.js';
import { logsOptions } from './process-options.js';

export function registerTask(program: Command, context: Context): void {
  const task = program.command('task').description('Look at the tasks of services');

  listOptions(task.command('ls').alias('list').description('List all tasks'), 'Show only ids')
    .option('--no-resolve', 'Show ids instead of names')
    .option('--no-trunc', 'Show ids and errors whole')
    .action(async (_options, command: Command) => {
      const { listTasks } = await import('../actions/tasks.js');
      await listTasks(context, flagsOf(command));
    });

  inspectOptions(
    task.command('inspect').description('Show all about tasks').argument('<task...>', 'Ids, or SERVICE.SLOT'),
  ).action(async (refs: string[], _options, command: Command) => {
    const { inspectTasks } = await import('../actions/tasks.js');
    await inspectTasks(context, refs, flagsOf(command));
  });

  logsOptions(
    task.command('logs').description('Show the logs of a task').argument('<task>', 'Its id, or SERVICE.SLOT'),
  ).action(async (ref: string, _options, command: Command) => {
    const { showTaskLogs } = await import('../actions/logs.js');
    await showTaskLogs(context, ref, flagsOf(command));
  });
}
