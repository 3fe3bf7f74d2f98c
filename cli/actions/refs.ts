import { invalidArgument, messageOf, SwarmError } from '../../lib/errors.js';
import type { Filter } from '../../proto/gen/control.js';
import type { Context } from '../context.js';
import { badFlag, type Flags } from '../flags/flags.js';

/** Does something for each name; failures are reported, the others still done, and the exit code is 1. */
export async function forEach(
  context: Context,
  refs: readonly string[],
  work: (ref: string) => Promise<void>,
): Promise<void> {
  for (const ref of refs) {
    try {
      await work(ref);
    } catch (error) {
      if (error instanceof SwarmError && error.code === 'UNAVAILABLE') throw error;
      context.io.err(`Error: ${error instanceof SwarmError ? error.text : messageOf(error)}\n`);
      context.exitCode = 1;
    }
  }
}

/** The same, where what was found is wanted: `inspect` shows it and then fails for the rest. */
export async function findEach<T>(
  context: Context,
  refs: readonly string[],
  find: (ref: string) => Promise<T>,
): Promise<T[]> {
  const found: T[] = [];
  await forEach(context, refs, async (ref) => {
    found.push(await find(ref));
  });
  return found;
}

export function warn(context: Context, warnings: readonly string[]): void {
  for (const warning of warnings) context.io.err(`WARNING: ${warning}\n`);
}

/** Whether `--pretty` is asked for. @throws INVALID_ARGUMENT with `--format`, which asks for something else */
export function isPretty(flags: Flags): boolean {
  if (!flags.on('pretty')) return false;
  const format = flags.text('format');
  if (format)
    throw invalidArgument('--format is incompatible with --pretty', { value: format, hint: 'Give one of them.' });
  return true;
}

/** `--filter key=value`, several values of a key joined. @throws INVALID_ARGUMENT */
export function filtersOf(flags: Flags): Filter[] {
  const values = new Map<string, string[]>();
  for (const text of flags.list('filter')) {
    const equals = text.indexOf('=');
    if (equals <= 0) throw badFlag('filter', text, 'bad format of filter', 'A filter looks like name=web.');
    const key = text.slice(0, equals).trim().toLowerCase();
    values.set(key, [...(values.get(key) ?? []), text.slice(equals + 1).trim()]);
  }
  return [...values].map(([key, list]) => ({ key, values: list }));
}

export function listOptionsOf(flags: Flags): { format: string | undefined; quiet: boolean } {
  return { format: flags.text('format'), quiet: flags.on('quiet') };
}
