import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions } from '../options.js';

export function registerSystem(program: Command, context: Context): void {
  inspectOptions(program.command('info').description('Show what the daemon is and does')).action(
    async (_options, command: Command) => {
      const { showInfo } = await import('../actions/info.js');
      await showInfo(context, flagsOf(command));
    },
  );

  inspectOptions(program.command('version').description('Show the versions of client and daemon')).action(
    async (_options, command: Command) => {
      const { showVersion } = await import('../actions/version.js');
      await showVersion(context, flagsOf(command));
    },
  );

  inspectOptions(
    program.command('doctor').description('Show what tsswarm needs of this machine: what is there and what is missing'),
  )
    .option('--repair', 'Look at the whole network now, and put back what somebody has changed')
    .action(async (_options, command: Command) => {
      const { showDoctor } = await import('../actions/doctor.js');
      await showDoctor(context, flagsOf(command));
    });
}
