import type { Command, Option } from 'commander';
import { SwarmError } from '../../lib/errors.js';
import { slotName } from '../../proto/task-names.js';
import { networksOf } from '../actions/networks.js';
import { SwarmCommand } from '../command.js';
import type { Context } from '../context.js';

/** What a word can be: names of objects by the kind of argument that they fill. */
type Names = (context: Context) => Promise<readonly string[]>;

/** Services, and their slots that are to run. */
async function taskNames(context: Context): Promise<readonly string[]> {
  const control = await context.control();
  const filters = [{ key: 'desired-state', values: ['running'] }];
  const [{ services }, { tasks }] = await Promise.all([
    control.listServices({ filters: [] }),
    control.listTasks({ filters }),
  ]);
  return [...services.map(({ spec }) => spec.name), ...new Set(tasks.map((task) => slotName(task)))];
}

const NAMES: Readonly<Record<string, Names>> = {
  service: async (context) =>
    (await (await context.control()).listServices({ filters: [] })).services.map((service) => service.spec.name),
  'service|task': taskNames,
  task: taskNames,
  node: async (context) => [
    'self',
    ...(await (await context.control()).listNodes({ filters: [] })).nodes.map((node) => node.description.hostname),
  ],
  network: async (context) => (await networksOf(context, [])).map(({ spec }) => spec.name),
  volume: async (context) =>
    (await (await context.volumes()).listVolumes({ filters: [] })).volumes.map(({ spec }) => spec.name),
  container: containerNames,
  object: containerNames,
  image: async (context) => (await (await context.agent()).listImages({})).images.flatMap((image) => image.names),
};
async function containerNames(context: Context): Promise<readonly string[]> {
  const { containers } = await (await context.containers()).listContainers({ all: true, filters: [] });
  return containers.map(({ config }) => config.name);
}

const FIXED: Readonly<Record<string, readonly string[]>> = {
  shell: ['bash', 'zsh', 'fish'],
  role: ['worker', 'manager'],
  availability: ['active', 'pause', 'drain'],
  'endpoint-mode': ['vip', 'dnsrr'],
  mode: ['replicated', 'global', 'replicated-job', 'global-job'],
  'schedule-overlap': ['allow', 'skip', 'replace'],
  'restart-condition': ['any', 'on-failure', 'none'],
  'update-failure-action': ['pause', 'continue', 'rollback'],
  'rollback-failure-action': ['pause', 'continue'],
  'update-order': ['stop-first', 'start-first'],
  'rollback-order': ['stop-first', 'start-first'],
  driver: ['bridge', 'overlay', 'routed'],
  pull: ['missing', 'always', 'never'],
  restart: ['no', 'on-failure', 'always', 'unless-stopped'],
  attach: ['stdin', 'stdout', 'stderr'],
  type: ['container', 'image', 'network', 'volume', 'service', 'task', 'node'],
  signal: ['HUP', 'INT', 'QUIT', 'KILL', 'USR1', 'USR2', 'TERM', 'CONT', 'STOP'],
};

/**
 * What may stand in place of the last word, one a line, with a description behind a tab.
 * @param words those typed behind the program's name
 */
export async function complete(program: Command, words: readonly string[], context: Context): Promise<string[]> {
  const typed = words.at(-1) ?? '';
  const place = walk(program, words.slice(0, -1));
  const candidates = await candidatesAt(place, typed, context);
  return candidates.filter((candidate) => candidate.startsWith(typed)).sort();
}

interface Place {
  readonly command: Command;
  /** The option whose value is to come. */
  readonly awaiting: Option | undefined;
  /** Arguments given before. */
  readonly operands: number;
  /** Behind `--` or behind the first operand of a command that passes its flags on. */
  readonly onlyOperands: boolean;
}

function walk(program: Command, words: readonly string[]): Place {
  let command = program;
  let awaiting: Option | undefined;
  let operands = 0;
  let onlyOperands = false;
  for (const word of words) {
    if (awaiting) awaiting = undefined;
    else if (!onlyOperands && word === '--') onlyOperands = true;
    else if (!onlyOperands && word.startsWith('-')) {
      const option = command.options.find((o) => o.long === word || o.short === word);
      if (option?.required) awaiting = option;
    } else {
      const sub = operands === 0 ? subcommand(command, word) : undefined;
      if (sub) command = sub;
      else operands++;
      if (!sub && command instanceof SwarmCommand && command.stopsAtOperand) onlyOperands = true;
    }
  }
  return { command, awaiting, operands, onlyOperands };
}

function subcommand(command: Command, name: string): Command | undefined {
  return command.commands.find((sub) => sub.name() === name || sub.aliases().includes(name));
}

async function candidatesAt(place: Place, typed: string, context: Context): Promise<string[]> {
  const { command, awaiting, operands, onlyOperands } = place;
  if (awaiting) return namesOf(awaiting.long?.slice(2).replace(/-(?:add|rm)$/, '') ?? '', context);
  if (typed.startsWith('-') && !onlyOperands)
    return visibleOptions(command).map((option) => `${option.long}\t${option.description}`);
  const subs = command.commands.filter((sub) => sub.name() !== '__complete');
  if (subs.length > 0) return subs.map((sub) => `${sub.name()}\t${sub.description()}`);
  const declared = command.registeredArguments;
  const argument = declared[Math.min(operands, declared.length - 1)];
  if (!argument || (operands >= declared.length && !argument.variadic)) return [];
  return namesOf(argument.name().split('=')[0] ?? '', context);
}

function visibleOptions(command: Command): readonly Option[] {
  return command.options.filter((option) => !option.hidden && option.long);
}

async function namesOf(kind: string, context: Context): Promise<string[]> {
  const fixed = FIXED[kind];
  if (fixed) return [...fixed];
  try {
    return [...((await NAMES[kind]?.(context)) ?? [])];
  } catch (error) {
    // No daemon, or no manager: then there are no names, and a shell is no place for errors.
    if (error instanceof SwarmError) return [];
    throw error;
  }
}
