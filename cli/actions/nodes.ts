import { failedPrecondition } from '../../lib/errors.js';
import type { Node } from '../../proto/gen/objects.js';
import { NodeAvailability, NodeRole, NodeSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { editRecord } from '../flags/lists.js';
import { dockerNode } from '../format/docker-objects.js';
import { naturalOrder } from '../format/human.js';
import { renderInspected, renderList } from '../format/list.js';
import { prettyNode } from '../format/node-pretty.js';
import { nodeRow, nodeView } from '../format/rows.js';
import { change, isSame, removal } from '../retry.js';
import { filtersOf, findEach, forEach, isPretty, listOptionsOf } from './refs.js';

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
  const pretty = isPretty(flags);
  const nodes = await findEach(context, refs, (ref) => nodeOf(context, ref));
  context.io.out(
    pretty ? nodes.map(prettyNode).join('\n') : renderInspected(nodes.map(dockerNode), flags.text('format')),
  );
}

export async function removeNodes(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const control = await context.control();
  await forEach(context, refs, async (ref) => {
    const id = await nodeIdOf(context, ref);
    await removal(context.io.clock, {
      what: `node ${ref} was removed`,
      look: 'tsswarm node ls',
      remove: () => control.removeNode({ ref: id, force: flags.on('force') }),
    });
    context.io.out(`${ref}\n`);
  });
}

/** @param wanted undefined when the spec is to stay @returns whether there was anything to change */
async function changeSpec(
  context: Context,
  ref: string,
  wanted: (spec: NodeSpec) => NodeSpec | undefined,
): Promise<boolean> {
  const control = await context.control();
  const { before, after } = await change<Node, NodeSpec>(context.io.clock, {
    what: `node ${ref} was updated`,
    look: `tsswarm node inspect ${ref}`,
    read: () => nodeOf(context, ref),
    wanted: ({ spec }) => wanted(spec),
    write: async ({ id, meta }, spec) => (await control.updateNode({ id, version: meta.version, spec })).node,
    has: (now, spec) => isSame(NodeSpec, now.spec, spec),
  });
  return before !== after;
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
  const desiredRole = ROLE[role];
  const done = role === 'manager' ? promoted : demoted;
  await forEach(context, refs, async (ref) => {
    const isNew = await changeSpec(context, ref, (spec) =>
      spec.desiredRole === desiredRole ? undefined : { ...spec, desiredRole },
    );
    context.io.out(isNew ? `${done(ref)}\n` : `Node ${ref} is already a ${role}.\n`);
  });
}

const promoted = (ref: string) => `Node ${ref} promoted to a manager in the swarm.`;
const demoted = (ref: string) => `Manager ${ref} demoted in the swarm.`;
