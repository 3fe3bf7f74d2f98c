import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf } from '../options.js';
import { attachOptions, copyOptions, execOptions } from './process-options.js';

/** What people do with a container that is there: its processes, output and files. */
export function registerProcess(parent: Command, context: Context): void {
  const one = (name: string, description: string) =>
    parent.command(name).description(description).argument('<container>', 'Name or id');

  execOptions(one('exec', 'Run a command in a running container'), context).action(
    async (ref: string, args: string[], _options, command: Command) => {
      const { execInContainer } = await import('../actions/container-streams.js');
      await execInContainer(context, ref, args, flagsOf(command));
    },
  );

  attachOptions(one('attach', 'Attach standard input, output and error to a running container')).action(
    async (ref: string, _options, command: Command) => {
      const { attachContainer } = await import('../actions/container-streams.js');
      await attachContainer(context, ref, flagsOf(command));
    },
  );

  one('logs', 'Show what a container has written')
    .option('-f, --follow', 'Follow the logs')
    .option('--since <TIME>', 'From this time on: 2026-01-02T13:23:37Z, or 42m for 42 minutes ago')
    .option('--until <TIME>', 'Up to this time')
    .option('-n, --tail <N>', 'Lines from the end, or all')
    .option('-t, --timestamps', 'Show timestamps')
    .option('--details', 'Show the labels and variables that --log-opt labels and env name')
    .action(async (ref: string, _options, command: Command) => {
      const { showContainerLogs } = await import('../actions/container-logs.js');
      await showContainerLogs(context, ref, flagsOf(command));
    });

  one('top', 'Show the processes of a container')
    .argument('[options...]', 'Options of ps')
    .passThroughOptions()
    .action(async (ref: string, options: string[]) => {
      const { showProcesses } = await import('../actions/container-list.js');
      await showProcesses(context, ref, options);
    });

  one('port', 'List the published ports of a container')
    .argument('[port]', 'Only this one, as 80 or 53/udp')
    .action(async (ref: string, port: string | undefined) => {
      const { showPorts } = await import('../actions/container-list.js');
      await showPorts(context, ref, port);
    });

  parent
    .command('stats')
    .description('Show what containers use, each second')
    .argument('[container...]', 'Names or ids; all that run when left out')
    .option('-a, --all', 'Show all containers, not only those that run')
    .option('--format <TEMPLATE>', "'json', 'table TEMPLATE' or a Go template, as '{{.Name}} {{.CPUPerc}}'")
    .option('--no-stream', 'Show it once')
    .option('--no-trunc', 'Show ids whole')
    .action(async (refs: string[], _options, command: Command) => {
      const { showStats } = await import('../actions/container-stats.js');
      await showStats(context, refs, flagsOf(command));
    });

  copyOptions(parent.command('cp').description('Copy files between a container and this machine'), 'CONTAINER').action(
    async (source: string, target: string, _options, command: Command) => {
      const { copyFiles } = await import('../actions/container-copy.js');
      await copyFiles(context, source, target, flagsOf(command));
    },
  );
}
