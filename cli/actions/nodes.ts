import { failedPrecondition } from '../../lib/errors.js';
import type { Node } from '../../proto/gen/objects.js';
import { NodeAvailability, NodeRole, type NodeSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { editRecord } from '../flags/lists.js';
import { dockerNode } from '../format/docker-objects.js';
import { naturalOrder } from '../format/human.js';
import { renderInspected, renderList } from '../format/list.js';
import { prettyNode } from '../format/node-pretty.js';
import { nodeRow, nodeView } from '../format/rows.js';
import { filtersOf, findEach, forEach, listOptionsOf } from './refs.js';

const AVAILABILITY = {
  active: NodeAvailability.ACTIVE,
  pause: NodeAvailability.PAUSE,
  drain: NodeAvailability.DRAIN,
} as const;
const ROLE = { worker: NodeRole.WORKER, manager: NodeRole.MANAGER } as const;

/** `--availability`. @throws INVALID_ARGUMENT */
export function availabilityOf(flags: Flags): NodeAvailability | undefined {
  const choice = flags.choice('availability', ['active', 'pause', 'drain']);
  return choice === undefined ? undefined : AVAILABILITY[choice];
}

export async function listNodes(context: Context, flags: Flags): Promise<void> {
  const [control, agent] = await Promise.all([context.control(), context.agent()]);
  const [{ nodes }, info] = await Promise.all([control.listNodes({ filters: filtersOf(flags) }), agent.info({})]);
  const rows = nodes.map((node) => nodeRow(node, info.nodeId)).sort((a, b) => naturalOrder(a.Hostname, b.Hostname));
  context.io.out(renderList(nodeView, rows, listOptionsOf(flags)));
}

/** The id behind a name, id or `self`. */
export async function nodeIdOf(context: Context, ref: string): Promise<string> {
  return (await nodeOf(context, ref)).id;
}

async function nodeOf(context: Context, ref: string): Promise<Node> {
  const control = await context.control();
  if (ref !== 'self') return (await control.getNode({ ref })).node;
  const { nodeId } = await (await context.agent()).info({});
  if (nodeId === '')
    throw failedPrecondition('This node is not part of a swarm.', {
      hint: 'Use "tsswarm init" to make one or "tsswarm join" to join one.',
    });
  return (await control.getNode({ ref: nodeId })).node;
}

export async function inspectNodes(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const nodes = await findEach(context, refs, (ref) => nodeOf(context, ref));
  context.io.out(
    flags.on('pretty')
      ? nodes.map(prettyNode).join('\n')
      : renderInspected(nodes.map(dockerNode), flags.text('format')),
  );
}

export async function removeNodes(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const control = await context.control();
  await forEach(context, refs, async (ref) => {
    await control.removeNode({ ref, force: flags.on('force') });
    context.io.out(`${ref}\n`);
  });
}

async function changeSpec(context: Context, ref: string, change: (spec: NodeSpec) => NodeSpec): Promise<void> {
  const control = await context.control();
  const node = await nodeOf(context, ref);
  await control.updateNode({ id: node.id, version: node.meta.version, spec: change(node.spec) });
}

export async function updateNode(context: Context, ref: string, flags: Flags): Promise<void> {
  const availability = availabilityOf(flags);
  const role = flags.choice('role', ['worker', 'manager']);
  await changeSpec(context, ref, (spec) => ({
    ...spec,
    availability: availability ?? spec.availability,
    desiredRole: role === undefined ? spec.desiredRole : ROLE[role],
    labels: editRecord(spec.labels, flags, 'label'),
  }));
  context.io.out(`${ref}\n`);
}

/** `node promote` and `node demote`. */
export async function setRole(context: Context, refs: readonly string[], role: 'worker' | 'manager'): Promise<void> {
  await forEach(context, refs, async (ref) => {
    await changeSpec(context, ref, (spec) => ({ ...spec, desiredRole: ROLE[role] }));
    const done = role === 'manager' ? 'promoted to a manager' : 'demoted';
    context.io.out(`Node ${ref} ${done} in the swarm.\n`);
  });
}
