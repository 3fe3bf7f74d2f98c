import { codeOf, invalidArgument } from '../../lib/errors.js';
import { contains, overlaps, parseAddress, parseCidr } from '../../lib/ip.js';
import { type IPAMConfig, NetworkSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import { type Flags, inFlag } from '../flags/flags.js';
import { parsePair } from '../flags/values.js';
import { dockerNetwork } from '../format/docker-objects.js';
import { naturalOrder } from '../format/human.js';
import { renderInspected, renderList } from '../format/list.js';
import { networkRow, networkView } from '../format/rows.js';
import { creation, isSame, removal } from '../retry.js';
import { filtersOf, findEach, forEach, listOptionsOf } from './refs.js';

export async function createNetwork(context: Context, name: string, flags: Flags): Promise<void> {
  const spec = networkSpec(name, flags);
  const control = await context.control();
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
  context.io.out(`${network.id}\n`);
}

/** The spec of `network create`. @throws INVALID_ARGUMENT that names the flag and value */
export function networkSpec(name: string, flags: Flags): NetworkSpec {
  const driver = flags.text('driver') ?? 'overlay';
  if (driver !== 'overlay')
    throw invalidArgument(`invalid argument "${driver}" for "--driver" flag: no such driver for a swarm's network`, {
      value: driver,
      hint: 'Use -d overlay.',
    });
  const scope = flags.text('scope') ?? 'swarm';
  if (scope !== 'swarm')
    throw invalidArgument(`invalid argument "${scope}" for "--scope" flag: an overlay network has scope swarm`, {
      value: scope,
    });
  return NetworkSpec.create({
    name,
    driver,
    scope,
    labels: Object.fromEntries(flags.each('label', parsePair)),
    driverOptions: Object.fromEntries(flags.each('opt', parsePair)),
    internal: flags.on('internal'),
    attachable: flags.on('attachable'),
    ingress: flags.on('ingress'),
    ipv6: flags.on('ipv6'),
    ipamDriver: flags.text('ipam-driver') ?? '',
    ipamOptions: Object.fromEntries(flags.each('ipam-opt', parsePair)),
    ipam: ipamConfigs(flags),
  });
}

/** One config for each subnet; gateways, ranges and auxiliary addresses go to the subnet they are in. */
function ipamConfigs(flags: Flags): IPAMConfig[] {
  const subnets = flags.commaList('subnet').map((text) => ({ text, cidr: inFlag('subnet', text, parseCidr) }));
  subnets.forEach(({ text, cidr }, i) => {
    const other = subnets.slice(0, i).find((before) => overlaps(before.cidr, cidr));
    if (other) throw invalidArgument(`the subnets ${other.text} and ${text} overlap`, { value: text });
  });
  const configs = subnets.map(({ text }) => ({
    subnet: text,
    ipRange: '',
    gateway: '',
    auxiliaryAddresses: {} as Record<string, string>,
  }));
  const configOf = (flag: string, value: string, address: string) => {
    const at = subnets.findIndex(({ cidr }) => contains(cidr, inFlag(flag, address, parseAddress)));
    const config = configs[at];
    if (config) return config;
    throw invalidArgument(`invalid argument "${value}" for "--${flag}" flag: no matching subnet`, {
      value,
      hint: subnets.length > 0 ? `Subnets: ${subnets.map((s) => s.text).join(', ')}.` : 'Give --subnet too.',
    });
  };
  for (const value of flags.commaList('gateway')) {
    const config = configOf('gateway', value, value);
    if (config.gateway !== '')
      throw invalidArgument(`the subnet ${config.subnet} has two gateways: ${config.gateway} and ${value}`, { value });
    config.gateway = value;
  }
  for (const value of flags.commaList('ip-range')) {
    const range = inFlag('ip-range', value, parseCidr);
    const config = configOf('ip-range', value, value.split('/')[0] ?? '');
    if (range.prefix < parseCidr(config.subnet).prefix)
      throw invalidArgument(`the range ${value} is larger than its subnet ${config.subnet}`, { value });
    config.ipRange = value;
  }
  for (const value of flags.commaList('aux-address')) {
    const [name, address] = inFlag('aux-address', value, parsePair);
    configOf('aux-address', value, address).auxiliaryAddresses[name] = address;
  }
  return configs;
}

export async function listNetworks(context: Context, flags: Flags): Promise<void> {
  const { networks } = await (await context.control()).listNetworks({ filters: filtersOf(flags) });
  const rows = networks
    .map((network) => networkRow(network, !flags.on('no-trunc')))
    .sort((a, b) => naturalOrder(a.Name, b.Name));
  context.io.out(renderList(networkView, rows, listOptionsOf(flags)));
}

export async function inspectNetworks(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const control = await context.control();
  const found = await findEach(context, refs, (ref) => control.getNetwork({ ref }));
  const objects = found.map(({ network, users }) => dockerNetwork(network, users));
  context.io.out(renderInspected(objects, flags.text('format')));
}

export async function removeNetworks(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const control = await context.control();
  await forEach(context, refs, async (ref) => {
    try {
      const { id } = (await control.getNetwork({ ref })).network;
      await removal(context.io.clock, {
        what: `network ${ref} was removed`,
        look: 'tsswarm network ls',
        remove: () => control.removeNetwork({ ref: id }),
      });
    } catch (error) {
      if (flags.on('force') && codeOf(error) === 'NOT_FOUND') return;
      throw error;
    }
    context.io.out(`${ref}\n`);
  });
}
