import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { run } from './command.js';
import {
  CGROUP_ROOT,
  DEFAULT_LAB,
  HOST_LINK,
  isLabName,
  LAB_FOLDERS,
  type LabLayout,
  labLayout,
  NETNS_DIRECTORY,
  owns,
  parseNamespace,
} from './layout.js';
import { labProcesses, namespaceInodes, type Process } from './processes.js';

/** All that there is of a lab on this machine, whoever made it and whatever became of its maker. */
export interface Inventory {
  readonly processes: readonly Process[];
  /** Mount points, the deepest first. */
  readonly mounts: readonly string[];
  /** Files of `ip netns`. */
  readonly namespaces: readonly string[];
  /** Folders of cgroups, the deepest first. */
  readonly cgroups: readonly string[];
  /** Links in the machine's own namespace. */
  readonly links: readonly string[];
  /** Top folders. */
  readonly folders: readonly string[];
}

const CGROUP_MOUNT = '/sys/fs/cgroup';

export async function takeInventory(lab: LabLayout): Promise<Inventory> {
  const links = await hostLinks();
  const mounts = labMounts(readFileSync('/proc/self/mountinfo', 'utf8'), lab);
  const namespaces = entries(NETNS_DIRECTORY)
    .filter((name) => owns(lab, name))
    .map((name) => path.join(NETNS_DIRECTORY, name));
  return {
    // Namespaces of tasks are bind mounts in the run folders.
    processes: labProcesses(lab, namespaceInodes([...namespaces, ...mounts])),
    mounts,
    namespaces,
    cgroups: cgroupRoots()
      .filter((folder) => owns(lab, path.basename(folder)))
      .flatMap(tree),
    links: links.flatMap((link) => (link.lab === lab.name ? [link.name] : [])),
    folders: [lab.runRoot, lab.dataRoot].filter((folder) => statSync(folder, { throwIfNoEntry: false })),
  };
}

/** Names of all labs that there is anything of on this machine, the default one first. */
export async function labNames(): Promise<readonly string[]> {
  const stations = [...entries(NETNS_DIRECTORY), ...cgroupRoots().map((folder) => path.basename(folder))];
  const others = [
    ...stations.flatMap((name) => parseNamespace(name)?.lab ?? []),
    ...LAB_FOLDERS.flatMap((folder) => entries(folder)),
    ...(await hostLinks()).map((link) => link.lab),
  ];
  const names = [...new Set(others)].filter((name) => name !== DEFAULT_LAB && isLabName(name)).sort();
  return isEmpty(await takeInventory(labLayout(DEFAULT_LAB))) ? names : [DEFAULT_LAB, ...names];
}

/** The lab that the machine's own namespace has a link into, by the link's alias. */
export async function attachedLab(): Promise<string | undefined> {
  return (await hostLinks())[0]?.lab;
}

/** Alias of the link into a lab. */
export const aliasOf = (lab: LabLayout): string => `${ALIAS}${lab.name}`;
const ALIAS = 'tsswarm lab ';

async function hostLinks(): Promise<readonly { readonly name: string; readonly lab: string }[]> {
  const text = await run('ip', ['-json', 'link', 'show', 'type', 'veth']);
  const links = JSON.parse(text.trim() || '[]') as readonly { readonly ifname?: string; readonly ifalias?: string }[];
  return links.flatMap(({ ifname, ifalias = '' }) =>
    ifname === HOST_LINK && ifalias.startsWith(ALIAS) ? [{ name: ifname, lab: ifalias.slice(ALIAS.length) }] : [],
  );
}

export const isEmpty = (inventory: Inventory): boolean => sizeOf(inventory) === 0;

/** How many things there are. */
export const sizeOf = (inventory: Inventory): number =>
  Object.values(inventory).reduce((sum, items: readonly unknown[]) => sum + items.length, 0);

/** One line for each thing that is left. */
export function describeInventory(inventory: Inventory): readonly string[] {
  return [
    ...inventory.processes.map((p) => `process ${p.pid} ${p.argv.join(' ').slice(0, 120)}`),
    ...inventory.mounts.map((mount) => `mount ${mount}`),
    ...inventory.namespaces.map((file) => `namespace ${path.basename(file)}`),
    ...inventory.cgroups.map((folder) => `cgroup ${folder}`),
    ...inventory.links.map((link) => `link ${link}`),
    ...inventory.folders.map((folder) => `folder ${folder}`),
  ];
}

/** Mount points of the lab in the text of /proc/PID/mountinfo (proc(5)), the deepest and newest first. */
export function labMounts(mountinfo: string, lab: LabLayout): readonly string[] {
  const isOurs = (point: string) =>
    path.dirname(point) === NETNS_DIRECTORY
      ? owns(lab, path.basename(point))
      : [lab.runRoot, lab.dataRoot].some((root) => point.startsWith(`${root}/`));
  return mountinfo
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter(isOurs)
    .reverse()
    .sort((a, b) => b.split('/').length - a.split('/').length);
}

const unescapeOctal = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** The folders of daemons, labs' and others: in the one hierarchy of cgroup v2, or in each of v1. */
function cgroupRoots(): readonly string[] {
  const hierarchies = [CGROUP_MOUNT, ...entries(CGROUP_MOUNT).map((name) => path.join(CGROUP_MOUNT, name))];
  return hierarchies
    .map((hierarchy) => path.join(hierarchy, CGROUP_ROOT))
    .flatMap((root) => entries(root).map((name) => path.join(root, name)));
}

/** A folder and all below it, the deepest first. */
function tree(folder: string): readonly string[] {
  const children = entries(folder, true).flatMap((name) => tree(path.join(folder, name)));
  return [...children, folder];
}

/** Names in a folder; none when it is not there (any more) or not a folder. */
function entries(folder: string, directoriesOnly = false): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !directoriesOnly || entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENODEV') return [];
    throw error;
  }
}
