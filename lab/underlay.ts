import { readdirSync } from 'node:fs';
import { errnoOf } from '../lib/errors.js';
import { run } from './command.js';
import {
  CLIENT,
  CLIENT_ADDRESS,
  HOST_ADDRESS,
  HOST_LINK,
  NAMESPACE_PREFIX,
  NETNS_DIRECTORY,
  type NodeLayout,
  namespaceFile,
  namespaceOf,
  PREFIX_LENGTH,
  SWITCH,
  SWITCH_BRIDGE,
} from './layout.js';

/**
 * The lab's wires: a switch in a namespace of its own and one namespace for each node and for the
 * client. Made with iproute2, so that they are what `ip netns` shows and uses. The machine's own
 * namespace gets no link and no address unless the host is attached.
 */
export async function createUnderlay(nodes: readonly NodeLayout[], attachHost: boolean): Promise<void> {
  const stations = [
    ...nodes.map((node) => ({ name: node.name, address: node.address })),
    { name: CLIENT, address: CLIENT_ADDRESS },
  ];
  await ip([
    `netns add ${namespaceOf(SWITCH)}`,
    ...stations.map(({ name }) => `netns add ${namespaceOf(name)}`),
    ...stations.map(
      ({ name }) => `link add eth0 netns ${namespaceOf(name)} type veth peer name ${name} netns ${namespaceOf(SWITCH)}`,
    ),
    ...(attachHost ? [`link add ${HOST_LINK} type veth peer name ${HOST_LINK} netns ${namespaceOf(SWITCH)}`] : []),
  ]);
  const ports = [...stations.map(({ name }) => name), ...(attachHost ? [HOST_LINK] : [])];
  await Promise.all([
    ip(
      [
        'link set lo up',
        // Ports forward from the first packet on: there is no other path that could make a loop.
        `link add ${SWITCH_BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
        `link set ${SWITCH_BRIDGE} up`,
        ...ports.map((port) => `link set ${port} master ${SWITCH_BRIDGE} up`),
      ],
      SWITCH,
    ),
    ...stations.map(({ name, address }) =>
      ip(['link set lo up', `address add ${address}/${PREFIX_LENGTH} dev eth0`, 'link set eth0 up'], name),
    ),
    ...(attachHost
      ? [ip([`address add ${HOST_ADDRESS}/${PREFIX_LENGTH} dev ${HOST_LINK}`, `link set ${HOST_LINK} up`])]
      : []),
  ]);
}

/** Names without the prefix of all namespaces that are a lab's: node1, client, underlay … */
export function labNamespaces(): readonly string[] {
  try {
    return readdirSync(NETNS_DIRECTORY)
      .filter((name) => name.startsWith(NAMESPACE_PREFIX))
      .map((name) => name.slice(NAMESPACE_PREFIX.length));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Runs a tool in a lab's namespace. Not `ip netns exec`: that mounts another /sys, which hides cgroups. */
export function runIn(name: string, command: string, args: readonly string[], input = ''): Promise<string> {
  return run('nsenter', [`--net=${namespaceFile(name)}`, '--', command, ...args], { input });
}

async function ip(commands: readonly string[], name?: string): Promise<void> {
  const namespace = name === undefined ? [] : ['-n', namespaceOf(name)];
  await run('ip', [...namespace, '-batch', '-'], { input: `${commands.join('\n')}\n` });
}
