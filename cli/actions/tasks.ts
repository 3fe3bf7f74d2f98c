import type { Filter } from '../../proto/gen/control.js';
import type { Node, Service, Task } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { autoscaleNote } from '../format/autoscale.js';
import { dockerTask } from '../format/docker-objects.js';
import { renderInspected, renderList } from '../format/list.js';
import { portNotes } from '../format/port-notes.js';
import { scheduleNotes } from '../format/schedule.js';
import { taskRows, taskView } from '../format/task-rows.js';
import { nodeIdOf } from './nodes.js';
import { filtersOf, findEach, listOptionsOf } from './refs.js';
import { findTask } from './task-refs.js';

export async function listServiceTasks(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const control = await context.control();
  const services = await findEach(context, refs, async (ref) => (await control.getService({ ref })).service);
  if (services.length === 0) return;
  // Beside the table, for a person: whoever reads the list by a program gets the list alone.
  if (!flags.on('quiet') && !flags.has('format'))
    for (const note of await notesOn(context, services)) context.io.err(`${note}\n`);
  const values = services.map((service) => service.id);
  await showTasks(context, [...filtersOf(flags), { key: 'service', values }], flags);
}

async function notesOn(context: Context, services: readonly Service[]): Promise<string[]> {
  const { nodes } = await (await context.control()).listNodes({ filters: [] });
  return services.flatMap((service) => [
    ...[autoscaleNote(service) ?? []].flat(),
    ...scheduleNotes(service),
    ...portNotes(service, nodes),
  ]);
}

export async function listNodeTasks(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const ids = await findEach(context, refs.length > 0 ? refs : ['self'], (ref) => nodeIdOf(context, ref));
  if (ids.length > 0) await showTasks(context, [...filtersOf(flags), { key: 'node', values: ids }], flags);
}

/** All of the swarm, or those that its filters leave. */
export async function listTasks(context: Context, flags: Flags): Promise<void> {
  await showTasks(context, filtersOf(flags), flags);
}

export async function inspectTasks(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const tasks = await findEach(context, refs, async (ref) => (await findTask(context, ref, 'none')).task);
  context.io.out(renderInspected(tasks.map(dockerTask), flags.text('format')));
}

async function showTasks(context: Context, filters: readonly Filter[], flags: Flags): Promise<void> {
  const control = await context.control();
  const [{ tasks }, { nodes }] = await Promise.all([
    control.listTasks({ filters }),
    control.listNodes({ filters: [] }),
  ]);
  const resolve = !flags.on('no-resolve');
  const options = listOptionsOf(flags);
  const isTable = options.format === undefined || options.format.startsWith('table');
  const render = (errorWidth: number | undefined) => {
    const rows = taskRows(tasks, {
      now: context.io.clock.now(),
      truncate: !flags.on('no-trunc'),
      indent: isTable,
      nodeName: resolve ? hostnames(nodes) : (id) => id,
      serviceName: resolve ? (task: Task) => task.serviceName : (task: Task) => task.serviceId,
      errorWidth,
    });
    return renderList(taskView, rows, options);
  };
  context.io.out(render(options.format === undefined ? roomForErrors(render(1), context.io.columns) : undefined));
}

function hostnames(nodes: readonly Node[]): (id: string) => string {
  const names = new Map(nodes.map((node) => [node.id, node.description.hostname]));
  return (id) => names.get(id) ?? id;
}

/**
 * Characters for the column of errors: what a terminal has left beside the others, 30 at least, as
 * Docker shows. Where there is no terminal, errors are shown whole.
 */
function roomForErrors(tableWithoutErrors: string, columns: number | undefined): number | undefined {
  if (columns === undefined) return undefined;
  const widest = Math.max(...tableWithoutErrors.split('\n').map((line) => line.length));
  return Math.max(MIN_ERROR_WIDTH, columns - widest);
}

const MIN_ERROR_WIDTH = 30;
