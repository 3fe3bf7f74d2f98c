import type { Command } from 'commander';
import type { Context } from '../context.js';
import { listOption } from '../options.js';

const EXIT_EXEC_USAGE = 125;

/** Flags and usage of `exec`, in a container of this machine or in a task. */
export function execOptions(command: Command, context: Context): Command {
  command
    .argument('<command...>', 'The command and its arguments')
    .passThroughOptions()
    .option('-d, --detach', 'Run the command in the background');
  detachKeysOption(command)
    .option('-i, --interactive', 'Keep standard input open')
    .option('--privileged', 'Give the command extended privileges')
    .option('-t, --tty', 'Allocate a pseudo-TTY')
    .option('-u, --user <USER>', 'User name or UID, as NAME or UID[:GROUP]')
    .option('-w, --workdir <DIRECTORY>', 'Working directory in the container')
    .exitOverride((error) => {
      context.usageCode = EXIT_EXEC_USAGE;
      throw error;
    });
  listOption(command, '-e, --env <KEY=VALUE>', 'Set an environment variable');
  return listOption(command, '--env-file <FILE>', 'Read environment variables from a file');
}

export function attachOptions(command: Command): Command {
  return detachKeysOption(command)
    .option('--no-stdin', 'Do not attach standard input')
    .option('--sig-proxy', 'Pass signals on to the process (default true)');
}

/** @param remote what has a colon in its name, in capitals */
export function copyOptions(command: Command, remote: string): Command {
  return command
    .argument('<source>', `${remote}:PATH, a path, or '-' for a tar archive on standard input`)
    .argument('<target>', `Path, ${remote}:PATH, or '-' for a tar archive on standard output`)
    .option('-a, --archive', 'Keep owners')
    .option('-L, --follow-link', 'Follow a link that the source is')
    .option('-q, --quiet', 'Say nothing');
}

export function logsOptions(command: Command): Command {
  return command
    .option('--details', 'Show extra details: task, node and service ids')
    .option('-f, --follow', 'Follow the logs')
    .option('--no-resolve', 'Show ids instead of names')
    .option('--no-task-ids', 'Show no task ids')
    .option('--no-trunc', 'Show ids whole')
    .option('--raw', 'Show the lines as they are')
    .option('--since <TIME>', 'From this time on: 2026-01-02T13:23:37Z, or 42m for 42 minutes ago')
    .option('--until <TIME>', 'Up to this time')
    .option('-n, --tail <N>', 'Lines from the end of each log, or all')
    .option('-t, --timestamps', 'Show timestamps');
}

function detachKeysOption(command: Command): Command {
  return command.option('--detach-keys <KEYS>', 'Keys that let go of the container (default ctrl-p,ctrl-q)');
}
