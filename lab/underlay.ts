import { existsSync, readdirSync } from 'node:fs';
import { errnoOf } from '../lib/errors.js';
import { run } from './command.js';
import { aliasOf } from './inventory.js';
import {
  CLIENT,
  CLIENT_ADDRESS,
  CLIENT_ADDRESS6,
  HOST_ADDRESS,
  HOST_ADDRESS6,
  HOST_LINK,
  HOST_PORT,
  type LabLayout,
  NETNS_DIRECTORY,
  type NodeLayout,
  namespaceFile,
  namespaceOf,
  owns,
  PREFIX_LENGTH,
  PREFIX_LENGTH6,
  SWITCH,
  SWITCH_BRIDGE,
} from './layout.js';

/**
 * The lab's wires: a switch in a namespace of its own and one namespace for each node and for the
 * client. Made with iproute2, so that they are what `ip netns` shows and uses. The machine's own
 * namespace gets no link and no address unless the host is attached.
 */
export async function createUnderlay(lab: LabLayout, nodes: readonly NodeLayout[], attachHost: boolean): Promise<void> {
  const space = (station: string) => namespaceOf(lab, station);
  const inside = (station: string, commands: readonly string[]) => ip(commands, space(station));
  const stations = [
    ...nodes.map(({ name, address, address6 }) => ({ name, address, address6 })),
    { name: CLIENT, address: CLIENT_ADDRESS, address6: CLIENT_ADDRESS6 },
  ];
  await ip([
    `netns add ${space(SWITCH)}`,
    ...stations.map(({ name }) => `netns add ${space(name)}`),
    ...stations.map(
      ({ name }) => `link add eth0 netns ${space(name)} type veth peer name ${name} netns ${space(SWITCH)}`,
    ),
  ]);
  if (attachHost) {
    // It comes to the machine's namespace with its alias: a link there is always known to be the lab's.
    await inside(SWITCH, [
      `link add ${HOST_LINK} type veth peer name ${HOST_PORT}`,
      `link set ${HOST_LINK} alias "${aliasOf(lab)}"`,
      `link set ${HOST_LINK} netns ${process.pid}`,
    ]);
  }
  const ports = [...stations.map(({ name }) => name), ...(attachHost ? [HOST_PORT] : [])];
  await Promise.all([
    inside(SWITCH, [
      'link set lo up',
      // Ports forward from the first packet on: there is no other path that could make a loop.
      `link add ${SWITCH_BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `link set ${SWITCH_BRIDGE} up`,
      ...ports.map((port) => `link set ${port} master ${SWITCH_BRIDGE} up`),
    ]),
    ...stations.map(({ name, address, address6 }) =>
      inside(name, ['link set lo up', ...addressesOn('eth0', address, address6), 'link set eth0 up']),
    ),
  ]);
  if (attachHost) await ip([...addressesOn(HOST_LINK, HOST_ADDRESS, HOST_ADDRESS6), `link set ${HOST_LINK} up`]);
}

/** On a kernel without IPv6 the lab has none. */
const addressesOn = (link: string, address: string, address6: string): string[] => [
  `address add ${address}/${PREFIX_LENGTH} dev ${link}`,
  // Nobody else can have it: it works at once.
  ...(existsSync('/proc/net/if_inet6') ? [`address add ${address6}/${PREFIX_LENGTH6} dev ${link} nodad`] : []),
];

/** Names without the prefix of all namespaces that are the lab's: node1, client, underlay … */
export function labNamespaces(lab: LabLayout): readonly string[] {
  try {
    return readdirSync(NETNS_DIRECTORY)
      .filter((name) => owns(lab, name))
      .map((name) => name.slice(lab.prefix.length));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Runs a tool in a lab's namespace. Not `ip netns exec`: that mounts another /sys, which hides cgroups. */
export function runIn(
  lab: LabLayout,
  station: string,
  command: string,
  args: readonly string[],
  input = '',
): Promise<string> {
  return run('nsenter', [`--net=${namespaceFile(lab, station)}`, '--', command, ...args], { input });
}

async function ip(commands: readonly string[], namespace?: string): Promise<void> {
  await run('ip', [...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'], {
    input: `${commands.join('\n')}\n`,
  });
}
