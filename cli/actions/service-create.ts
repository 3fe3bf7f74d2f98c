import { notFound, SwarmError } from '../../lib/errors.js';
import { makeUpName } from '../../lib/made-up-names.js';
import { ServiceSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import type { FlagSources } from '../flags/container.js';
import type { Flags } from '../flags/flags.js';
import { createSpec, networkNames } from '../flags/service.js';
import { parseFileReference } from '../flags/values.js';
import { waitForService } from '../progress/wait.js';
import { creation, isSame } from '../retry.js';
import { readFlagFile } from './container-run.js';
import { warn } from './refs.js';
import { registryAuth } from './registry-auth.js';
import { withDigest } from './resolve-image.js';

/** Networks that every node has: no manager knows them by an id. */
const NODE_NETWORKS = ['host', 'none', 'bridge'];

export async function createService(
  context: Context,
  image: string,
  args: readonly string[],
  flags: Flags,
): Promise<void> {
  const named = flags.text('name') ? flags : flags.with({ name: await freeName(context) });
  const asked = withAuth(context, createSpec(image, args, named, await sourcesOf(context, flags)), flags);
  const { container } = asked.task;
  const pinned = await withDigest(context, container.image, container.registryAuth, flags);
  const spec = { ...asked, task: { ...asked.task, container: { ...container, image: pinned } } };
  const control = await context.control();
  const { name } = spec;
  const service = await creation(context.io.clock, {
    what: `service ${name} was created`,
    look: `tsswarm service ls --filter name=${name}`,
    create: async () => {
      const { service: created, warnings } = await control.createService({ spec });
      warn(context, warnings);
      return created;
    },
    find: async () => {
      const { services } = await control.listServices({ filters: [{ key: 'name', values: [name] }] });
      return services.find((found) => found.spec.name === name);
    },
    isAsAsked: (found) => isSameSpec(found.spec, spec),
  });
  context.io.out(`${service.id}\n`);
  const settledRun = spec.schedule ? 0 : undefined;
  if (!flags.on('detach')) await waitForService(context, service, { quiet: flags.on('quiet'), settledRun });
}

/** The command line makes it up, and not the managers: by its name a service is found when nobody knows whether it was created. */
async function freeName(context: Context): Promise<string> {
  const control = await context.control();
  const { services } = await control.listServices({ filters: [] });
  const taken = new Set(services.map(({ spec }) => spec.name));
  return makeUpName((name) => taken.has(name));
}

/** But for the registry's credentials, which managers do not show. */
export function isSameSpec(a: ServiceSpec, b: ServiceSpec): boolean {
  return isSame(ServiceSpec, withRegistryAuth(a, ''), withRegistryAuth(b, ''));
}

function withRegistryAuth(spec: ServiceSpec, registryAuth: string): ServiceSpec {
  return { ...spec, task: { ...spec.task, container: { ...spec.task.container, registryAuth } } };
}

/** The spec with the registry's credentials, when they are asked for. */
export function withAuth(context: Context, spec: ServiceSpec, flags: Flags): ServiceSpec {
  if (!flags.on('with-registry-auth')) return spec;
  return withRegistryAuth(spec, registryAuth(spec.task.container.image, context.io.env));
}

/** Reads and resolves what the flags refer to: files, networks. */
export async function sourcesOf(context: Context, flags: Flags): Promise<FlagSources> {
  refuseFileReferences(flags);
  return {
    env: context.io.env,
    envFiles: flags.list('env-file').map((file) => readFlagFile('env-file', file)),
    networkIds: await networkIds(context, networkNames(flags)),
  };
}

/** Managers keep no secrets or configs yet, so a name can only be a wrong one. */
function refuseFileReferences(flags: Flags): void {
  for (const kind of ['secret', 'config'])
    for (const flag of [kind, `${kind}-add`])
      for (const { name } of flags.each(flag, parseFileReference))
        throw notFound(`${kind} not found: ${name}`, {
          value: name,
          hint: `This version cannot create ${kind}s yet; use --env or --mount instead.`,
        });
}

async function networkIds(context: Context, names: readonly string[]): Promise<Map<string, string>> {
  const control = await context.control();
  const ids = new Map<string, string>();
  for (const name of names) {
    try {
      ids.set(name, (await control.getNetwork({ ref: name })).network.id);
    } catch (error) {
      const isOfNode = error instanceof SwarmError && error.code === 'NOT_FOUND' && NODE_NETWORKS.includes(name);
      if (!isOfNode) throw error;
    }
  }
  return ids;
}
