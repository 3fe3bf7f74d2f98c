import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, inspectOptions, listOption } from '../options.js';

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

  const events = program
    .command('events')
    .description('Show what happens in the swarm and on this machine, as it happens')
    .option(
      '--since <TIME>',
      'Also what has happened from this time on: 2026-01-02T13:23:37Z, or 42m for 42 minutes ago',
    )
    .option('--until <TIME>', 'Up to this time, then end')
    .option('--format <TEMPLATE>', "'json' or a Go template, as '{{.Type}} {{.Action}} {{.Actor.ID}}'");
  listOption(events, '-f, --filter <KEY=VALUE>', 'Show only what matches, as type=service or event=update').action(
    async (_options, command: Command) => {
      const { showEvents } = await import('../actions/events.js');
      await showEvents(context, flagsOf(command));
    },
  );
}
