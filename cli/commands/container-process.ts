import type { Command } from 'commander';
import type { Context } from '../context.js';
import { flagsOf, listOption } from '../options.js';

/** What people do with a container that is there: its processes, output and files. */
export function registerProcess(parent: Command, context: Context): void {
  const one = (name: string, description: string) =>
    parent.command(name).description(description).argument('<container>', 'Name or id');
  const detachKeys = ['--detach-keys <KEYS>', 'Keys that let go of the container (default ctrl-p,ctrl-q)'] as const;

  const exec = one('exec', 'Run a command in a running container')
    .argument('<command...>', 'The command and its arguments')
    .passThroughOptions()
    .option('-d, --detach', 'Run the command in the background')
    .option(...detachKeys)
    .option('-i, --interactive', 'Keep standard input open')
    .option('--privileged', 'Give the command extended privileges')
    .option('-t, --tty', 'Allocate a pseudo-TTY')
    .option('-u, --user <USER>', 'User name or UID, as NAME or UID[:GROUP]')
    .option('-w, --workdir <DIRECTORY>', 'Working directory in the container')
    .exitOverride((error) => {
      context.usageCode = EXIT_EXEC_USAGE;
      throw error;
    });
  listOption(exec, '-e, --env <KEY=VALUE>', 'Set an environment variable');
  listOption(exec, '--env-file <FILE>', 'Read environment variables from a file');
  exec.action(async (ref: string, args: string[], _options, command: Command) => {
    const { execInContainer } = await import('../actions/container-streams.js');
    await execInContainer(context, ref, args, flagsOf(command));
  });

  one('attach', 'Attach standard input, output and error to a running container')
    .option(...detachKeys)
    .option('--no-stdin', 'Do not attach standard input')
    .option('--sig-proxy', 'Pass signals on to the process (default true)')
    .action(async (ref: string, _options, command: Command) => {
      const { attachContainer } = await import('../actions/container-streams.js');
      await attachContainer(context, ref, flagsOf(command));
    });

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

  parent
    .command('cp')
    .description('Copy files between a container and this machine')
    .argument('<source>', "CONTAINER:PATH, a path, or '-' for a tar archive on standard input")
    .argument('<target>', "Path, CONTAINER:PATH, or '-' for a tar archive on standard output")
    .option('-a, --archive', 'Keep owners')
    .option('-L, --follow-link', 'Follow a link that the source is')
    .option('-q, --quiet', 'Say nothing')
    .action(async (source: string, target: string, _options, command: Command) => {
      const { copyFiles } = await import('../actions/container-copy.js');
      await copyFiles(context, source, target, flagsOf(command));
    });
}

const EXIT_EXEC_USAGE = 125;
