import { invalidArgument } from '../../lib/errors.js';
import { contains, overlaps, parseAddress, parseCidr } from '../../lib/ip.js';
import { type IPAMConfig, NetworkSpec } from '../../proto/gen/specs.js';
import { badFlag, type Flags, inFlag } from './flags.js';
import { parsePair } from './values.js';

/** Scope by driver: where a network of it is known. */
const SCOPES: Readonly<Record<string, string>> = { bridge: 'local', overlay: 'swarm', routed: 'swarm' };

/** The spec of `network create`; the driver is bridge unless said. @throws INVALID_ARGUMENT that names the flag and value */
export function networkSpec(name: string, flags: Flags): NetworkSpec {
  const driver = flags.text('driver') ?? 'bridge';
  const scope = SCOPES[driver];
  if (driver === 'host' || driver === 'null')
    throw badFlag('driver', driver, `only one instance of "${driver}" network is allowed`, 'It is there on each node.');
  if (scope === undefined)
    throw badFlag(
      'driver',
      driver,
      'no such driver',
      'Drivers: bridge (of this machine), overlay and routed (of the swarm).',
    );
  const asked = flags.text('scope') ?? scope;
  if (asked !== scope) throw badFlag('scope', asked, `a network of driver ${driver} has scope ${scope}`);
  if (flags.on('ingress') && driver !== 'overlay')
    throw badFlag('ingress', 'true', 'the ingress network is an overlay', 'Add -d overlay.');
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
    disableIpv4: flags.boolean('ipv4') === false,
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
