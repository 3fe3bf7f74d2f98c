import { type Command, Option } from 'commander';
import { Flags } from './flags/flags.js';

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

/** Adds a flag that may be given several times; its values are collected. */
export function listOption(command: Command, flags: string, description: string, hidden = false): Command {
  return command.addOption(new Option(flags, description).argParser(collect).hideHelp(hidden));
}

/** The flags of every list: `--filter`, `--format`, `--quiet`. */
export function listOptions(command: Command, quiet: string): Command {
  return listOption(command, '-f, --filter <KEY=VALUE>', 'Show only what matches')
    .option('--format <TEMPLATE>', "'json', 'table TEMPLATE' or a Go template, as '{{.ID}} {{.Name}}'")
    .option('-q, --quiet', quiet);
}

export function inspectOptions(command: Command): Command {
  return command.option('-f, --format <TEMPLATE>', "'json' or a Go template, as '{{.ID}}'");
}

export function flagsOf(command: Command): Flags {
  return new Flags(command.opts());
}
