/** Walks through container networks as articles take them: a command typed on a machine, and what it shows. */
import path from 'node:path';
import { execute, nodeOf } from '../../../demo/cli.js';
import { makeRootfsArchive } from '../../../demo/image.js';
import { until } from '../../../demo/steps.js';
import { hostOf, netnsOf, onNode } from '../lab.js';

/** Where a node's network namespaces have their files. */
export const netnsFolder = (node: number): string => path.join(nodeOf(node).runRoot, 'netns');

/** Runs `tsswarm …` on a node. @returns what it prints @throws with its words when it fails */
export async function on(node: number, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await onNode(node, ...args);
  if (code !== 0) throw new Error(`tsswarm ${args.join(' ')}: exit code ${code}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}

/** Runs a program in a node's own network, as at its shell. */
export function shell(node: number, ...command: readonly string[]): Promise<string> {
  return inNamespace(netnsOf(node), ...command);
}

/** `nsenter --net=FILE -- COMMAND`. */
export async function inNamespace(file: string, ...command: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await execute('nsenter', [`--net=${file}`, '--', ...command]);
  if (code !== 0)
    throw new Error(`${command.join(' ')} in ${file}: exit code ${code}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}

export async function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

/** The image that articles use, made of this machine's busybox. */
export async function importBusybox(): Promise<void> {
  const { archive, remove } = await makeRootfsArchive();
  try {
    await on(1, 'image', 'import', '--change', 'CMD ["sh"]', '--change', 'ENV PATH=/bin', archive, 'busybox:latest');
  } finally {
    await remove();
  }
}

export interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  readonly link_index?: number;
  readonly mtu: number;
  readonly master?: string;
  readonly address: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Readonly<Record<string, unknown>> };
  readonly addr_info: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[];
}

/** `ip -j -d addr show …` there. */
export async function links(file: string, ...selection: readonly string[]): Promise<readonly Link[]> {
  return JSON.parse(await inNamespace(file, 'ip', '-j', '-d', 'addr', 'show', ...selection)) as readonly Link[];
}

export async function link(file: string, name: string): Promise<Link> {
  const [found] = await links(file, 'dev', name);
  if (!found) throw new Error(`${name} is not in ${file}`);
  return found;
}

export const v4 = ({ addr_info: list }: Link): readonly string[] =>
  list.filter(({ family }) => family === 'inet').map(({ local, prefixlen }) => `${local}/${prefixlen}`);

/** `peer_ifindex` of `ethtool -S`. */
export async function peerIndex(file: string, name: string): Promise<number> {
  const text = await inNamespace(file, 'ethtool', '-S', name);
  return Number(/peer_ifindex: (\d+)/.exec(text)?.[1]);
}

export interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly State: { readonly Running: boolean; readonly Pid: number };
  readonly NetworkSettings: {
    readonly SandboxKey: string;
    readonly Networks: Readonly<
      Record<string, { readonly IPAddress: string; readonly MacAddress: string; readonly Gateway: string }>
    >;
  };
}

export async function inspect(node: number, ref: string): Promise<Container> {
  const [container] = JSON.parse(await on(node, 'inspect', ref)) as readonly Container[];
  if (!container) throw new Error(`${ref} is not on node${node}`);
  return container;
}

export interface NetworkObject {
  readonly Id: string;
  readonly Name: string;
  readonly Scope: string;
  readonly Driver: string;
  readonly IPAM: { readonly Config: readonly { readonly Subnet: string; readonly Gateway?: string }[] };
  readonly Containers: Readonly<
    Record<string, { readonly Name: string; readonly MacAddress: string; readonly IPv4Address: string }>
  >;
  readonly Options: Readonly<Record<string, string>>;
  readonly Peers?: readonly { readonly Name: string; readonly IP: string }[];
}

export async function network(node: number, ref: string): Promise<NetworkObject> {
  const [found] = JSON.parse(await on(node, 'network', 'inspect', ref)) as readonly NetworkObject[];
  if (!found) throw new Error(`network ${ref} is not known to node${node}`);
  return found;
}

/** Rows of `network ls`, without its head. */
export async function networkRows(node: number): Promise<readonly (readonly string[])[]> {
  const [, ...rows] = (await on(node, 'network', 'ls')).trimEnd().split('\n');
  return rows.map((row) => row.trim().split(/ {2,}/));
}

/** Names of the ports of a bridge, as `brctl show` lists them. */
export async function portsOf(file: string, bridge: string): Promise<readonly string[]> {
  return (await links(file, 'master', bridge)).map(({ ifname }) => ifname);
}

export { hostOf, netnsOf, until };
