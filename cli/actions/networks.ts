import { alreadyExists, codeOf, messageOf } from '../../lib/errors.js';
import { ConnectContainerRequest } from '../../proto/gen/containers.js';
import { NetworkSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import { ipv4, ipv6, macAddress } from '../flags/endpoints.js';
import type { Flags } from '../flags/flags.js';
import { networkSpec } from '../flags/network.js';
import { type AnyNetwork, dockerLocalNetwork, dockerNetwork } from '../format/docker-network.js';
import { naturalOrder } from '../format/human.js';
import { renderInspected, renderList } from '../format/list.js';
import { networkRow, networkView } from '../format/rows.js';
import { creation, isSame, removal } from '../retry.js';
import { confirm } from './confirm.js';
import { filtersOf, findEach, forEach, listOptionsOf, warn } from './refs.js';

/** Networks of this machine are the local daemon's; those of the swarm, the managers'. */

export async function createNetwork(context: Context, name: string, flags: Flags): Promise<void> {
  const spec = networkSpec(name, flags);
  await refuseTaken(context, spec);
  const id = spec.scope === 'local' ? await createLocal(context, spec) : await createInSwarm(context, spec);
  context.io.out(`${id}\n`);
}

/**
 * One name for a network of this machine and one of the swarm would leave no way to say which is meant. The daemon
 * and the managers each refuse what they themselves have.
 * @throws ALREADY_EXISTS
 */
async function refuseTaken(context: Context, { name, scope }: NetworkSpec): Promise<void> {
  const networks = await networksOf(context, [{ key: 'name', values: [name] }]);
  const other = networks.find(({ spec }) => spec.name === name && (spec.scope === 'local') !== (scope === 'local'));
  if (!other) return;
  const whose = scope === 'local' ? 'the swarm' : 'this machine';
  throw alreadyExists(`network with name ${name} already exists`, {
    value: name,
    hint: `It is a network of ${whose}, with id ${other.id}.`,
  });
}

async function createLocal(context: Context, spec: NetworkSpec): Promise<string> {
  const { network, warnings } = await (await context.containers()).createLocalNetwork({ spec });
  warn(context, warnings);
  return network.id;
}

async function createInSwarm(context: Context, spec: NetworkSpec): Promise<string> {
  const control = await context.control();
  const { name } = spec;
  const network = await creation(context.io.clock, {
    what: `network ${name} was created`,
    look: `tsswarm network ls --filter name=${name}`,
    create: async () => (await control.createNetwork({ spec })).network,
    find: async () => {
      const { networks } = await control.listNetworks({ filters: [{ key: 'name', values: [name] }] });
      return networks.find((found) => found.spec.name === name);
    },
    isAsAsked: (found) => isSame(NetworkSpec, found.spec, spec),
  });
  return network.id;
}

/** What this node knows, and on a manager all of the swarm's. */
export async function networksOf(context: Context, filters: ReturnType<typeof filtersOf>): Promise<AnyNetwork[]> {
  const local = await (await context.containers()).listLocalNetworks({ filters });
  const swarm = await ofManager(
    context,
    async () => (await (await context.control()).listNetworks({ filters })).networks,
  );
  const all = [
    ...local.networks,
    ...(swarm ?? []).map(({ id, spec, meta }) => ({ id, spec, createdAt: meta.createdAt })),
  ];
  return [...new Map(all.map((network) => [network.id, network])).values()];
}

/** What a manager says; undefined on other nodes. Where no manager can answer now, the user is told that it is left out. */
async function ofManager<T>(context: Context, ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (codeOf(error) === 'FAILED_PRECONDITION') return undefined;
    if (codeOf(error) !== 'UNAVAILABLE') throw error;
    warn(context, [`what managers know is left out: ${messageOf(error)}`]);
    return undefined;
  }
}

export async function listNetworks(context: Context, flags: Flags): Promise<void> {
  const rows = (await networksOf(context, filtersOf(flags)))
    .map((network) => networkRow(network, !flags.on('no-trunc')))
    .sort((a, b) => naturalOrder(a.Name, b.Name));
  context.io.out(renderList(networkView, rows, listOptionsOf(flags)));
}

export async function inspectNetworks(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const objects = await findEach(context, refs, (ref) => dockerNetworkOf(context, ref, flags.on('verbose')));
  context.io.out(renderInspected(objects, flags.text('format')));
}

/** As Docker shows it. @throws NOT_FOUND when neither this node nor a manager knows it */
export async function dockerNetworkOf(context: Context, ref: string, verbose: boolean): Promise<object> {
  const here = await found(async () => (await context.containers()).inspectLocalNetwork({ ref }));
  if ('value' in here && here.value.network.spec.scope !== 'swarm')
    return dockerLocalNetwork(here.value.network, here.value.users);
  const id = 'value' in here ? here.value.network.id : ref;
  const there = await ofManager(context, () => found(async () => (await context.control()).getNetwork({ ref: id })));
  if (there && 'value' in there) return dockerNetwork(there.value, 'value' in here ? here.value.users : [], verbose);
  if ('value' in here) return dockerLocalNetwork(here.value.network, here.value.users);
  throw here.missing;
}

/** The answer, or the error that says that there is none. */
async function found<T>(ask: () => Promise<T>): Promise<{ readonly value: T } | { readonly missing: unknown }> {
  try {
    return { value: await ask() };
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return { missing: error };
    throw error;
  }
}

export async function removeNetworks(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  await forEach(context, refs, async (ref) => {
    try {
      if (!(await removeNetwork(context, ref, (warning) => flags.on('force') || confirm(context, warning)))) return;
    } catch (error) {
      if (flags.on('force') && codeOf(error) === 'NOT_FOUND') return;
      throw error;
    }
    context.io.out(`${ref}\n`);
  });
}

/** @returns false when `isSure` is not */
async function removeNetwork(
  context: Context,
  ref: string,
  isSure: (warning: string) => boolean | Promise<boolean>,
): Promise<boolean> {
  const containers = await context.containers();
  const here = await found(() => containers.inspectLocalNetwork({ ref }));
  if ('value' in here && here.value.network.spec.scope !== 'swarm') {
    await containers.removeLocalNetwork({ ref: here.value.network.id });
    return true;
  }
  const control = await context.control();
  const asked = 'value' in here ? here.value.network.id : ref;
  const { id, spec } = (
    await control.getNetwork({ ref: asked }).catch((error: unknown) => {
      // A worker that does not know it cannot say more.
      throw 'missing' in here && codeOf(error) === 'FAILED_PRECONDITION' ? here.missing : error;
    })
  ).network;
  if (spec.ingress && !(await isSure('Without the ingress network no node answers at published ports.'))) return false;
  await removal(context.io.clock, {
    what: `network ${ref} was removed`,
    look: 'tsswarm network ls',
    remove: () => control.removeNetwork({ ref: id }),
  });
  return true;
}

export async function pruneNetworks(context: Context, flags: Flags): Promise<void> {
  const warning = 'This will remove all custom networks not used by at least one container.';
  if (!flags.on('force') && !(await confirm(context, warning))) return;
  const custom = await networksOf(context, [...filtersOf(flags), { key: 'type', values: ['custom'] }]);
  const removed: string[] = [];
  for (const { id, spec } of custom) {
    try {
      await removeNetwork(context, id, () => true);
      removed.push(spec.name);
    } catch (error) {
      // In use, gone meanwhile, or a swarm's on a node that is no manager.
      if (!['FAILED_PRECONDITION', 'NOT_FOUND'].includes(codeOf(error))) throw error;
    }
  }
  if (removed.length > 0) context.io.out(`Deleted Networks:\n${removed.map((name) => `${name}\n`).join('')}\n`);
}

export async function connectNetwork(context: Context, network: string, ref: string, flags: Flags): Promise<void> {
  const [ipv4Address = ''] = flags.each('ip', ipv4);
  const [ipv6Address = ''] = flags.each('ip6', ipv6);
  const [mac = ''] = flags.each('mac-address', macAddress);
  const endpoint = { network, ipv4Address, ipv6Address, mac, aliases: flags.list('alias') };
  const request = ConnectContainerRequest.create({ container: ref, network: endpoint });
  await (await context.containers()).connectContainer(request);
}

export async function disconnectNetwork(context: Context, network: string, ref: string, flags: Flags): Promise<void> {
  await (await context.containers()).disconnectContainer({ container: ref, network, force: flags.on('force') });
}
