import { codeOf, invalidArgument, notFound, unavailable } from '../../lib/errors.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { dockerContainer } from '../format/docker-container.js';
import { dockerImage } from '../format/docker-image.js';
import { dockerNode, dockerService, dockerTask } from '../format/docker-objects.js';
import { dockerVolume } from '../format/docker-volume.js';
import { hasFieldsOf, renderInspected } from '../format/list.js';
import { findImage } from './image-names.js';
import { dockerNetworkOf } from './networks.js';
import { findEach } from './refs.js';

/** @param format the template that it is to fill, if any */
type Find = (context: Context, ref: string, format: string | undefined) => Promise<object>;

/** Kinds of objects in the order in which a name is looked for among them. */
const KINDS: readonly (readonly [string, Find])[] = [
  ['container', containerOrTask],
  ['image', async (context, ref) => dockerImage(await findImage(context, ref))],
  [
    'volume',
    async (context, ref) => dockerVolume((await (await context.volumes()).inspectVolume({ name: ref })).volume),
  ],
  ['network', (context, ref) => dockerNetworkOf(context, ref, false)],
  [
    'service',
    async (context, ref) =>
      dockerService((await (await context.control()).getService({ ref })).service, { defaults: true }),
  ],
  ['task', async (context, ref) => dockerTask((await (await context.control()).getTask({ ref })).task)],
  ['node', async (context, ref) => dockerNode((await (await context.control()).getNode({ ref })).node)],
];

/** A task and its container have one id: of a template with fields that only tasks have, the task is meant. */
async function containerOrTask(context: Context, ref: string, format: string | undefined): Promise<object> {
  const { container } = await (await context.containers()).inspectContainer({ ref });
  const object = dockerContainer(container);
  const { taskId } = container;
  if (hasFieldsOf(format, object) || taskId === '' || !(await (await context.agent()).info({})).controlAvailable)
    return object;
  const task = dockerTask((await (await context.control()).getTask({ ref: taskId })).task);
  return hasFieldsOf(format, task) ? task : object;
}

/** Any object by name or id, as its own `inspect` shows it. */
export async function inspectObjects(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const type = flags.text('type');
  const kinds = type === undefined || type === '' ? KINDS : KINDS.filter(([kind]) => kind === type);
  if (kinds.length === 0)
    throw invalidArgument(`"${type}" is not a valid value for --type`, {
      value: type,
      hint: `Types: ${KINDS.map(([kind]) => kind).join(', ')}.`,
    });
  const format = flags.text('format');
  const objects = await findEach(context, refs, (ref) => findAny(context, ref, kinds, format));
  context.io.out(renderInspected(objects, format));
}

/** @throws NOT_FOUND when there is no such object; UNAVAILABLE when some could not be asked for */
async function findAny(
  context: Context,
  ref: string,
  kinds: typeof KINDS,
  format: string | undefined,
): Promise<object> {
  let unasked: unknown;
  for (const [, find] of kinds) {
    try {
      return await find(context, ref, format);
    } catch (error) {
      const code = codeOf(error);
      // On a node that is no manager there are no objects of the swarm, unless they alone are asked for.
      const isPassedOver = code === 'NOT_FOUND' || (kinds.length > 1 && code === 'FAILED_PRECONDITION');
      if (code === 'UNAVAILABLE' && kinds.length > 1) unasked = error;
      else if (!isPassedOver) throw error;
    }
  }
  if (unasked !== undefined)
    throw unavailable(`no such object here: ${ref}; the swarm could not be asked`, { value: ref, cause: unasked });
  const [kind] = kinds.length === 1 ? (kinds[0] ?? ['object']) : ['object'];
  throw notFound(`No such ${kind}: ${ref}`, { value: ref });
}
