import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf } from '../options.js';
import { attachOptions, copyOptions, execOptions } from './process-options.js';

/** What people do in the containers of services, wherever they run. */
export function registerServiceProcess(service: Command, context: Context): void {
  const one = (name: string, description: string) => onNode(service.command(name).description(description));
  const task = ['<service|task>', 'SERVICE for any of its tasks, SERVICE.SLOT, or the id of a task'] as const;

  execOptions(one('exec', 'Run a command in a running task, on whatever node').argument(...task), context).action(
    async (ref: string, args: string[], _options, command: Command) => {
      const { execInTask } = await import('../actions/service-process.js');
      await execInTask(context, ref, args, flagsOf(command));
    },
  );

  attachOptions(one('attach', 'Attach standard input, output and error to a running task').argument(...task)).action(
    async (ref: string, _options, command: Command) => {
      const { attachTask } = await import('../actions/service-process.js');
      await attachTask(context, ref, flagsOf(command));
    },
  );

  copyOptions(one('cp', 'Copy files between a task and this machine'), 'SERVICE.SLOT').action(
    async (source: string, target: string, _options, command: Command) => {
      const { copyTaskFiles } = await import('../actions/service-process.js');
      await copyTaskFiles(context, source, target, flagsOf(command));
    },
  );
}

function onNode(command: Command): Command {
  return command.option('--node <NODE>', "Only a task on this node: a name, id, or 'self'");
}
