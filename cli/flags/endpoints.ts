import { isIPv4, isIPv6 } from 'node:net';
import { invalidArgument } from '../../lib/errors.js';
import { ContainerNetwork } from '../../proto/gen/containers.js';
import { csvFields, keyValue, requiredValue, unexpectedKey } from './csv.js';
import { badFlag, type Flags } from './flags.js';

const KEYS = ['name', 'alias', 'ip', 'ip6', 'mac-address'];
/** Docker's own name for what a container gets when nothing is said. */
const DEFAULT_NETWORK = 'bridge';

/** A value of `--network`: a name, `host`, `none`, `container:NAME`, or `name=NET,alias=A,ip=10.0.9.5,ip6=…,mac-address=…`. */
function parseContainerNetwork(text: string): ContainerNetwork {
  const named = (network: string) =>
    ContainerNetwork.create({ network: network === 'default' ? DEFAULT_NETWORK : network });
  if (!text.includes('=')) {
    if (text === '') throw invalidArgument('the network has no name', { value: text });
    return named(text);
  }
  let endpoint = named('');
  for (const field of csvFields(text).map(keyValue)) {
    const value = requiredValue(field);
    if (field.key === 'name') endpoint = { ...endpoint, network: named(value).network };
    else if (field.key === 'alias') endpoint = { ...endpoint, aliases: [...endpoint.aliases, value] };
    else if (field.key === 'ip') endpoint = { ...endpoint, ipv4Address: ipv4(value) };
    else if (field.key === 'ip6') endpoint = { ...endpoint, ipv6Address: ipv6(value) };
    else if (field.key === 'mac-address') endpoint = { ...endpoint, mac: macAddress(value) };
    else throw unexpectedKey(field.key, KEYS);
  }
  if (endpoint.network === '')
    throw invalidArgument('the network has no name', { value: text, hint: 'Add name=NETWORK.' });
  return endpoint;
}

export function ipv4(text: string): string {
  if (!isIPv4(text)) throw invalidArgument(`"${text}" is not an IPv4 address`, { value: text });
  return text;
}

export function ipv6(text: string): string {
  if (!isIPv6(text)) throw invalidArgument(`"${text}" is not an IPv6 address`, { value: text });
  return text;
}

export function macAddress(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(mac))
    throw invalidArgument(`${text} is not a valid mac address`, {
      value: text,
      hint: 'It looks like 02:42:ac:11:00:02.',
    });
  return mac;
}

/**
 * The networks of `run` and `create`. `--ip`, `--ip6`, `--mac-address` and `--network-alias` are of the first one.
 * @throws INVALID_ARGUMENT for one that is named twice or told two things
 */
export function containerNetworks(flags: Flags): ContainerNetwork[] {
  const given = [...flags.each('network', parseContainerNetwork), ...flags.each('net', parseContainerNetwork)];
  const twice = given.find((endpoint, i) => given.findIndex((other) => other.network === endpoint.network) !== i);
  if (twice) throw invalidArgument(`network "${twice.network}" is specified multiple times`, { value: twice.network });
  const [first = ContainerNetwork.create({ network: DEFAULT_NETWORK }), ...others] = given;
  const own = {
    ipv4Address: one(flags, 'ip', ipv4, first.ipv4Address),
    ipv6Address: one(flags, 'ip6', ipv6, first.ipv6Address),
    mac: one(flags, 'mac-address', macAddress, first.mac),
    aliases: [...first.aliases, ...flags.list('network-alias')],
  };
  const isPlain = own.ipv4Address + own.ipv6Address + own.mac === '' && own.aliases.length === 0;
  if (given.length === 0 && isPlain) return [];
  const isShared = /^(?:host|none)$|^container:/.test(first.network);
  if (isShared && (given.length > 1 || !isPlain))
    throw invalidArgument(`conflicting options: the network "${first.network}" takes no other network and no address`, {
      value: first.network,
    });
  return [{ network: first.network, ...own }, ...others];
}

function one(flags: Flags, flag: string, parse: (text: string) => string, before: string): string {
  const [value] = flags.each(flag, parse);
  if (value !== undefined && before !== '')
    throw badFlag(flag, value, `conflicting options: the network itself says ${before}`);
  return value ?? before;
}
