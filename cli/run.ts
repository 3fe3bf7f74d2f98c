import { CommanderError } from 'commander';
import { errnoOf, messageOf, SwarmError } from '../lib/errors.js';
import { Context } from './context.js';
import { FlagError } from './flags/flags.js';
import { printable } from './format/printable.js';
import type { Io } from './io.js';
import { buildProgram } from './program.js';

/**
 * Runs one command line.
 * @param argv without the program's name
 * @returns the exit code, as docker's: 0 when it succeeded, 1 when it failed, 125 when a flag was not understood;
 * others as the command says, as that of a container
 */
export async function run(argv: readonly string[], io: Io, context = new Context(io)): Promise<number> {
  try {
    const program = buildProgram(context);
    await program.parseAsync([...argv], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return isHelp(error) ? 0 : (context.usageCode ?? usageCode(error));
    io.err(errorText(error, io.env.TSSWARM_DEBUG === '1', context));
    return error instanceof FlagError ? FLAGS : context.failureCode;
  } finally {
    if (io.env.TSSWARM_DEBUG === '1' && context.asked) io.err(requestText(context));
    await context.close();
  }
}

const FLAGS = 125;
const FLAG_ERRORS: ReadonlySet<string> = new Set(['commander.unknownOption', 'commander.optionMissingArgument']);

/** Of a command that is not there, or has too few arguments or too many, it is that of failures. */
const usageCode = ({ code }: CommanderError): number => (FLAG_ERRORS.has(code) ? FLAGS : 1);

/** Help was asked for, or is the answer to a group without a command. */
function isHelp(error: CommanderError): boolean {
  return error.exitCode === 0 || error.code === 'commander.help';
}

/** By which nodes' logs tell what became of the command. */
const requestText = ({ requestId }: Context) => `Request id: ${requestId}\n`;

/** `Error: ` and the message with its hint; the stack too when debugging. */
function errorText(error: unknown, debug: boolean, context: Context): string {
  const text = error instanceof SwarmError ? error.text : messageOf(error);
  const stack = debug && error instanceof Error ? `${error.stack}\n` : '';
  const isExpected = error instanceof SwarmError ? error.code !== 'INTERNAL' : errnoOf(error) !== undefined;
  const hint = isExpected || debug ? '' : 'TSSWARM_DEBUG=1 shows where this happened.\n';
  const request = hint !== '' && context.asked ? requestText(context) : '';
  return `Error: ${printable(text)}\n${hint}${request}${stack}`;
}
