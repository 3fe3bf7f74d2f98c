import { readdirSync, readFileSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { CGROUP_ROOT, DATA_ROOT, HOST_LINK, NAMESPACE_PREFIX, NETNS_DIRECTORY, RUN_ROOT } from './layout.js';
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

export function takeInventory(): Inventory {
  const mounts = labMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const namespaces = entries(NETNS_DIRECTORY)
    .filter((name) => name.startsWith(NAMESPACE_PREFIX))
    .map((name) => path.join(NETNS_DIRECTORY, name));
  return {
    // Namespaces of tasks are bind mounts in the run folders.
    processes: labProcesses(namespaceInodes([...namespaces, ...mounts])),
    mounts,
    namespaces,
    cgroups: labCgroups(),
    links: Object.keys(networkInterfaces()).filter((name) => name === HOST_LINK),
    folders: [RUN_ROOT, DATA_ROOT].filter((folder) => statSync(folder, { throwIfNoEntry: false })),
  };
}

export function isEmpty(inventory: Inventory): boolean {
  return Object.values(inventory).every((items: readonly unknown[]) => items.length === 0);
}

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
export function labMounts(mountinfo: string): readonly string[] {
  const ours = [`${RUN_ROOT}/`, `${DATA_ROOT}/`, `${NETNS_DIRECTORY}/${NAMESPACE_PREFIX}`];
  return mountinfo
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((point) => ours.some((prefix) => point.startsWith(prefix)))
    .reverse()
    .sort((a, b) => b.split('/').length - a.split('/').length);
}

const unescapeOctal = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** In the one hierarchy of cgroup v2, or in each of v1. */
function labCgroups(): readonly string[] {
  const hierarchies = [CGROUP_MOUNT, ...entries(CGROUP_MOUNT).map((name) => path.join(CGROUP_MOUNT, name))];
  return hierarchies
    .map((hierarchy) => path.join(hierarchy, CGROUP_ROOT))
    .flatMap((root) =>
      entries(root)
        .filter((name) => name.startsWith(NAMESPACE_PREFIX))
        .flatMap((name) => tree(path.join(root, name))),
    );
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
