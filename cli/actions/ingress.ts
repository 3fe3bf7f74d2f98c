import type { Node, Service, Task } from '../../proto/gen/objects.js';
import { isHostMode, modeText, publishedText, targetText } from '../../proto/ports.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { naturalOrder } from '../format/human.js';
import { portObject } from '../format/ingress-json.js';
import { flowRow, flowView, portRow, portView, schedulerText } from '../format/ingress-rows.js';
import { renderInspected, renderList } from '../format/list.js';
import { type Flow, flowsOf, joined } from '../ingress/flows.js';
import { choose, directTasks, type Publication, publicationsOf } from '../ingress/publications.js';
import { nodeName, type Reading, readIngress, type SilentNode } from '../ingress/reading.js';
import { findEach, listOptionsOf, warn } from './refs.js';

/** What managers know. */
export interface Published {
  readonly nodes: readonly Node[];
  readonly services: readonly Service[];
  readonly tasks: readonly Task[];
}

/** Milliseconds between the two readings that rates are told from. */
export const INTERVAL = 1_000;

export async function readPublished(context: Context): Promise<Published> {
  const control = await context.control();
  const all = { filters: [] };
  const [{ nodes }, { services }, { tasks }] = await Promise.all([
    control.listNodes(all),
    control.listServices(all),
    control.listTasks(all),
  ]);
  return { nodes: [...nodes].sort((a, b) => naturalOrder(nodeName(a), nodeName(b))), services, tasks };
}

/** `tsswarm ingress ls`: each published port, over all nodes. */
export async function listIngress(context: Context, flags: Flags): Promise<void> {
  const published = await readPublished(context);
  const [before, now] = await readTwice(context, published.nodes);
  const rows = publicationsOf(published.services).map((publication) =>
    portRow(
      publication,
      publishedFlows(publication, published, before, now),
      directTasks(publication, published.tasks),
    ),
  );
  context.io.out(renderList(portView, rows, listOptionsOf(flags)));
  tellSilent(context, now.silent);
}

/** `tsswarm ingress inspect SERVICE|PORT...`: each task at each node. */
export async function inspectIngress(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const published = await readPublished(context);
  const all = publicationsOf(published.services);
  const find = serviceFinder(context);
  const chosen = new Set((await findEach(context, refs, (ref) => choose(all, ref, find))).flat());
  const format = flags.text('format');
  if (chosen.size === 0) {
    if (format !== undefined) context.io.out(renderInspected([], format));
    return;
  }
  const nodes = await nodesOf(context, published.nodes, flags.text('node'));
  const [before, now] = await readTwice(context, nodes);
  const found = [...chosen].map((publication) => ({
    publication,
    flows: publishedFlows(publication, { ...published, nodes }, before, now),
  }));
  if (format === undefined)
    context.io.out(found.map(({ publication, flows }) => pretty(publication, flows)).join('\n'));
  else {
    const objects = found.map(({ publication, flows }) => portObject(publication, flows, now.silent));
    context.io.out(renderInspected(objects, format));
  }
  // In JSON they are among the rest.
  if (format !== 'json') tellSilent(context, now.silent);
}

/** As managers resolve what a service is called by. */
export const serviceFinder =
  (context: Context) =>
  async (ref: string): Promise<Service> =>
    (await (await context.control()).getService({ ref })).service;

/** @throws NOT_FOUND, or INVALID_ARGUMENT when several are meant */
async function nodesOf(context: Context, nodes: readonly Node[], ref: string | undefined): Promise<readonly Node[]> {
  if (ref === undefined) return nodes;
  const { nodeIdOf } = await import('./nodes.js');
  const id = await nodeIdOf(context, ref);
  return nodes.filter((node) => node.id === id);
}

async function readTwice(context: Context, nodes: readonly Node[]): Promise<readonly [Reading, Reading]> {
  const before = await readIngress(context, nodes);
  await context.io.clock.sleep(INTERVAL);
  return [before, await readIngress(context, nodes)];
}

/** None for a port of mode host, which does not pass through the mesh. */
export function publishedFlows(
  publication: Publication,
  { nodes, tasks }: Pick<Published, 'nodes' | 'tasks'>,
  before: Reading,
  now: Reading,
): Flow[] {
  if (isHostMode(publication.port)) return [];
  const flows = flowsOf(publication, nodes, tasks, before, now);
  return flows.sort((a, b) => naturalOrder(a.node.name, b.node.name) || naturalOrder(a.taskName, b.taskName));
}

function pretty(publication: Publication, flows: readonly Flow[]): string {
  const { service, port } = publication;
  const balancers = [...new Set(flows.map(({ balancer }) => balancer))].join(' and ');
  const scheduler = isHostMode(port) ? '' : `, scheduler ${schedulerText(port)}`;
  const balancer = balancers === '' ? '' : `, balancer ${balancers}`;
  const how = `mode ${modeText(port)}${scheduler}${balancer}`;
  const head = `${service.spec.name}: ${publishedText(port)} -> ${targetText(port)}, ${how}\n`;
  if (isHostMode(port)) return `${head}Counts are of the mesh alone; see: tsswarm service ps ${service.spec.name}\n`;
  return head + renderList(flowView, joined(flows).map(flowRow), { format: undefined, quiet: false });
}

export const silentLines = (silent: readonly SilentNode[]): string[] => silent.map(({ reason }) => reason);

function tellSilent(context: Context, silent: readonly SilentNode[]): void {
  warn(context, silentLines(silent));
}
