import { aborted, invalidArgument } from '../../lib/errors.js';
import type { Service } from '../../proto/gen/objects.js';
import type { ContainerSpec, ServiceSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import { Flags } from '../flags/flags.js';
import { applyServiceFlags, withTag } from '../flags/service.js';
import { waitForService } from '../progress/wait.js';
import { change } from '../retry.js';
import { forEach, warn } from './refs.js';
import { registryAuth } from './registry-auth.js';
import { withDigest } from './resolve-image.js';
import { isSameSpec, sourcesOf, withAuth } from './service-create.js';
import { serviceOf } from './service-list.js';

export async function updateService(context: Context, ref: string, flags: Flags): Promise<void> {
  if (flags.on('rollback')) return rollbackService(context, ref, flags);
  const sources = await sourcesOf(context, flags);
  const image = await imageOf(context, flags);
  const changed = await changeSpec(context, ref, ({ spec }) => {
    const asked = withAuth(context, applyServiceFlags(spec, flags, sources), flags);
    const { container } = asked.task;
    return image === undefined ? asked : { ...asked, task: { ...asked.task, container: { ...container, ...image } } };
  });
  context.io.out(`${ref}\n`);
  if (!flags.on('detach')) await follow(context, changed, flags);
}

/** What `--image` puts into the spec. */
async function imageOf(
  context: Context,
  flags: Flags,
): Promise<Partial<Pick<ContainerSpec, 'image' | 'registryAuth'>> | undefined> {
  const name = flags.text('image');
  if (name === undefined) return undefined;
  const auth = flags.on('with-registry-auth') ? registryAuth(name, context.io.env) : '';
  const image = await withDigest(context, withTag(name), auth, flags);
  return auth === '' ? { image } : { image, registryAuth: auth };
}

interface Changed {
  readonly before: Service;
  readonly after: Service;
}

function changeSpec(context: Context, ref: string, wanted: (service: Service) => ServiceSpec): Promise<Changed> {
  return change<Service, ServiceSpec>(context.io.clock, {
    what: `service ${ref} was updated`,
    look: `tsswarm service inspect --pretty ${ref}`,
    read: () => serviceOf(context, ref),
    wanted,
    write: (service, spec) => write(context, service, spec, false),
    has: (now, spec, before) => now.specVersion !== before.specVersion && isSameSpec(now.spec, spec),
  });
}

async function write(context: Context, service: Service, spec: ServiceSpec, rollback: boolean): Promise<Service> {
  const { id, meta } = service;
  const control = await context.control();
  const updated = await control.updateService({ id, version: meta.version, spec, rollback });
  warn(context, updated.warnings);
  return updated.service;
}

function follow(context: Context, { before, after }: Changed, flags: Flags): Promise<void> {
  const quiet = flags.on('quiet');
  return waitForService(context, after, { quiet, before: before.updateStatus, settledRun: settledRun(before, after) });
}

/** A job with a schedule runs when it is time, or by force. */
function settledRun(before: Service, after: Service): number | undefined {
  return before.spec.schedule || after.spec.schedule ? before.jobStatus?.iteration : undefined;
}

export async function rollbackService(context: Context, ref: string, flags: Flags): Promise<void> {
  const asked = await serviceOf(context, ref);
  const { before, after } = await change<Service, ServiceSpec>(context.io.clock, {
    what: `service ${ref} was rolled back`,
    look: `tsswarm service inspect --pretty ${ref}`,
    read: () => serviceOf(context, ref),
    // What the operator saw is what is to be undone, not a later update.
    wanted: ({ specVersion, spec }) => {
      if (specVersion === asked.specVersion) return spec;
      throw aborted(`service ${ref} has been changed by somebody else in the meantime`, { value: ref });
    },
    write: (service, spec) => write(context, service, spec, true),
    has: (now, _, { specVersion, previousSpec }) =>
      now.specVersion !== specVersion && previousSpec !== undefined && isSameSpec(now.spec, previousSpec),
  });
  context.io.out(`${ref}\n`);
  if (flags.on('detach')) return;
  await waitForService(context, after, {
    quiet: flags.on('quiet'),
    before: before.updateStatus,
    wantsRollback: true,
    settledRun: settledRun(before, after),
  });
}

/** `web=5`. @throws INVALID_ARGUMENT */
export function parseScale(text: string): { ref: string; replicas: number } {
  const match = /^([^=]+)=(\d+)$/.exec(text);
  const replicas = Number(match?.[2]);
  if (!match?.[1] || !Number.isSafeInteger(replicas))
    throw invalidArgument(`invalid scale specifier "${text}"`, {
      value: text,
      hint: 'It looks like SERVICE=REPLICAS, as in web=5.',
    });
  return { ref: match[1], replicas };
}

/** @throws INVALID_ARGUMENT for a service whose number of tasks is that of the nodes */
function withReplicas(spec: ServiceSpec, replicas: number): ServiceSpec {
  if (!spec.replicated && !spec.replicatedJob)
    throw invalidArgument(`${spec.name}: scale can only be used with replicated or replicated-job mode`, {
      value: spec.name,
      hint: 'A global service runs one task on each node.',
    });
  const noSources = { env: {}, envFiles: [], networkIds: new Map<string, string>() };
  return applyServiceFlags(spec, new Flags({ replicas: String(replicas) }), noSources);
}

export async function scaleServices(context: Context, targets: readonly string[], flags: Flags): Promise<void> {
  const parsed = targets.map(parseScale);
  const scaled: Changed[] = [];
  await forEach(
    context,
    parsed.map((target) => `${target.ref}=${target.replicas}`),
    async (target) => {
      const { ref, replicas } = parseScale(target);
      scaled.push(await changeSpec(context, ref, ({ spec }) => withReplicas(spec, replicas)));
      context.io.out(`${ref} scaled to ${replicas}\n`);
    },
  );
  if (flags.on('detach')) return;
  for (const changed of scaled) await follow(context, changed, flags);
}
